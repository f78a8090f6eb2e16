# A web server that says what it is told, byte by byte: lies about lengths, stops half way, redirects, asks for
# credentials. Specs start it through spec/support/canned.lua. Plain perl-base.
#
# canned.pl FOLDER [SOCKET]: listens on loopback or on a Unix socket; reads FOLDER/rules, one rule a line, tab separated: id, method, path pattern (anchored), header
# pattern ("-": any), flags. The first rule that fits a request answers with the bytes of FOLDER/ID, in which
# {{address}} stands for this server's own. Flags: "once" (used up by its first request), "hang" (keeps the connection
# open and silent after the answer), "early" (answers before it reads a body), "late" (its own body comes 0.2 s after the
# headers). Each request is appended to FOLDER/requests: its head, for a form an empty line and the form, then a line "==".
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Fcntl;

my ($folder, $socket) = @ARGV;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $listener = $socket ? IO::Socket::UNIX->new(Listen => 64, Local => $socket)
	: IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1:0', ReuseAddr => 1);
$listener or die "listen: $!\n";
my $address = $socket // '127.0.0.1:' . $listener->sockport;

my @rules;
open my $in, '<', "$folder/rules" or die "rules: $!\n";
while (<$in>) {
	chomp;
	my ($id, $method, $path, $header, $flags) = split /\t/, $_, 5;
	push @rules, { id => $id, method => $method, path => qr{\A(?:$path)\z},
		header => $header eq '-' ? undef : qr{$header}mi, flags => $flags // '' };
}
close $in;

sub slurp {
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!\n";
	local $/;
	my $bytes = <$file> // '';
	$bytes =~ s/\{\{address\}\}/$address/g;
	return $bytes;
}

sub pick {
	my ($method, $path, $head) = @_;
	for my $rule (@rules) {
		next unless $rule->{method} eq '*' || $rule->{method} eq $method;
		next unless $path =~ $rule->{path};
		next if $rule->{header} && $head !~ $rule->{header};
		next if $rule->{flags} =~ /once/ && !sysopen(my $used, "$folder/$rule->{id}.used", O_CREAT | O_EXCL);
		return $rule;
	}
	return undef;
}

sub serve {
	my ($client) = @_;
	my $buffer = '';
	while ($buffer !~ /\r\n\r\n/) {
		sysread($client, $buffer, 65536, length $buffer) or return;
	}
	my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
	my ($method, $path) = $head =~ /\A(\S+) (\S+)/ or return;
	my $expects = $head =~ /^Expect: 100/mi;
	my ($length) = $head =~ /^Content-Length: *(\d+)/mi;
	syswrite $client, "HTTP/1.1 100 Continue\r\n\r\n" if $expects;
	my $rule = pick($method, $path, $head);
	my $flags = $rule ? $rule->{flags} : '';
	while ($flags !~ /early/ && length $body < ($length // 0)) {
		sysread($client, $body, 65536, length $body) or last;
	}
	sysopen my $log, "$folder/requests", O_WRONLY | O_APPEND | O_CREAT;
	my $form = $head =~ /^Content-Type: application\/x-www-form-urlencoded/mi ? "\r\n\r\n$body" : '';
	syswrite $log, "$head$form\r\n==\n";
	my $answer = $rule ? slurp("$folder/$rule->{id}") :
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	$answer =~ s/\r\n\r\n.*/\r\n\r\n/s if $method eq 'HEAD';
	my $sent = 0;
	my $late = $flags =~ /late/ ? index($answer, "\r\n\r\n") + 4 : 0;
	while ($sent < length $answer) {
		my $n = syswrite $client, $answer, $sent < $late ? $late : 65536, $sent;
		select undef, undef, undef, 0.2 if $late && $sent == 0;
		return unless $n;
		$sent += $n;
	}
	sleep 60 if $flags =~ /hang/;
	shutdown $client, 1;
	# What the client still sends is read, so that closing does not reset the connection under its answer.
	local $SIG{ALRM} = sub { exit };
	alarm 5;
	1 while sysread $client, my $rest, 65536;
}

$| = 1;
print "listening on $address\n";
while (1) {
	my $client = $listener->accept or next;
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		close $listener;
		serve($client);
		exit;
	}
	close $client;
}
