# Web servers that say what they are told, byte by byte: they lie about lengths, stop half way, redirect, ask for
# credentials. Specs start them through spec/support/canned.lua, all of them in one process. Plain perl-base.
#
# canned.pl IN OUT reads requests from the pipe IN and answers each with a line in the pipe OUT:
#   "open FOLDER [SOCKET]"  "127.0.0.1:PORT" or SOCKET, where a server listens from now on
#   "close ADDRESS"         "closed"; what that server was still sending has ended
# A server reads FOLDER/rules, one rule a line, tab separated: id, method, path pattern (anchored), header
# pattern ("-": any), flags. The first rule that fits a request answers with the bytes of FOLDER/ID, in which
# {{address}} stands for this server's own. Flags: "once" (used up by its first request), "hang" (keeps the connection
# open and silent after the answer), "early" (answers before it reads a body), "late" (its own body comes 0.2 s after the
# headers). Each request is appended to FOLDER/requests: its head, for a form an empty line and the form, then a line "==".
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Fcntl;
use POSIX ':sys_wait_h';

my ($from, $to) = @ARGV;
$SIG{PIPE} = 'IGNORE';
open my $in, '<:raw', $from or die "$from: $!\n";
open my $out, '>:raw', $to or die "$to: $!\n";
my $all = IO::Select->new($in);
my %servers; # by address: folder, listener, rules, children (by process id)

sub rules_of {
	my ($folder) = @_;
	my @rules;
	open my $file, '<', "$folder/rules" or die "rules: $!\n";
	while (<$file>) {
		chomp;
		my ($id, $method, $path, $header, $flags) = split /\t/, $_, 5;
		push @rules, { id => $id, method => $method, path => qr{\A(?:$path)\z},
			header => $header eq '-' ? undef : qr{$header}mi, flags => $flags // '' };
	}
	return \@rules;
}

sub start {
	my ($folder, $socket) = @_;
	my $listener = $socket ? IO::Socket::UNIX->new(Listen => 64, Local => $socket)
		: IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1:0', ReuseAddr => 1);
	$listener or die "listen: $!\n";
	my $address = $socket // '127.0.0.1:' . $listener->sockport;
	$servers{$address} = { folder => $folder, address => $address, listener => $listener, rules => rules_of($folder),
		children => {} };
	$all->add($listener);
	return $address;
}

sub stop {
	my $server = delete $servers{$_[0]} or return;
	$all->remove($server->{listener});
	close $server->{listener};
	kill 'KILL', $_ for keys %{$server->{children}};
	waitpid $_, 0 for keys %{$server->{children}};
}

sub slurp {
	my ($server, $name) = @_;
	open my $file, '<:raw', "$server->{folder}/$name" or die "$name: $!\n";
	local $/;
	my $bytes = <$file> // '';
	$bytes =~ s/\{\{address\}\}/$server->{address}/g;
	return $bytes;
}

sub pick {
	my ($server, $method, $path, $head) = @_;
	for my $rule (@{$server->{rules}}) {
		next unless $rule->{method} eq '*' || $rule->{method} eq $method;
		next unless $path =~ $rule->{path};
		next if $rule->{header} && $head !~ $rule->{header};
		next if $rule->{flags} =~ /once/ && !sysopen(my $used, "$server->{folder}/$rule->{id}.used", O_CREAT | O_EXCL);
		return $rule;
	}
	return undef;
}

sub serve {
	my ($server, $client) = @_;
	my $buffer = '';
	while ($buffer !~ /\r\n\r\n/) {
		sysread($client, $buffer, 65536, length $buffer) or return;
	}
	my ($head, $body) = split /\r\n\r\n/, $buffer, 2;
	my ($method, $path) = $head =~ /\A(\S+) (\S+)/ or return;
	my $expects = $head =~ /^Expect: 100/mi;
	my ($length) = $head =~ /^Content-Length: *(\d+)/mi;
	syswrite $client, "HTTP/1.1 100 Continue\r\n\r\n" if $expects;
	my $rule = pick($server, $method, $path, $head);
	my $flags = $rule ? $rule->{flags} : '';
	while ($flags !~ /early/ && length $body < ($length // 0)) {
		sysread($client, $body, 65536, length $body) or last;
	}
	sysopen my $log, "$server->{folder}/requests", O_WRONLY | O_APPEND | O_CREAT;
	my $form = $head =~ /^Content-Type: application\/x-www-form-urlencoded/mi ? "\r\n\r\n$body" : '';
	syswrite $log, "$head$form\r\n==\n";
	my $answer = $rule ? slurp($server, $rule->{id}) :
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
	local $SIG{ALRM} = sub { POSIX::_exit(0) };
	alarm 5;
	1 while sysread $client, my $rest, 65536;
}

sub answer {
	my ($server) = @_;
	my $client = $server->{listener}->accept or return;
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		# Nobody but the parent listens, or keeps the pipes open.
		close $_ for $in, $out, map { $_->{listener} } values %servers;
		eval { serve($server, $client) };
		POSIX::_exit(0);
	}
	$server->{children}{$pid} = 1;
}

my $commands = '';
while (1) {
	for my $ready ($all->can_read) {
		if ($ready == $in) {
			if (!sysread $in, $commands, 4096, length $commands) {
				stop($_) for keys %servers;
				exit;
			}
			while ($commands =~ s/\A(\w+) (.*)\n//) {
				syswrite $out, ($1 eq 'open' ? start(split ' ', $2) : (stop($2), 'closed')[-1]) . "\n";
			}
			last; # what is ready may be gone
		}
		my ($server) = grep { $_->{listener} == $ready } values %servers;
		answer($server) if $server;
	}
	while ((my $pid = waitpid -1, WNOHANG) > 0) {
		delete $_->{children}{$pid} for values %servers;
	}
}
