# A network that breaks: hands bytes on between clients and TARGET, and breaks connections at places of its own choice.
#
# flaky.pl TARGET FOLDER PLACES: PLACES are numbers of bytes from clients to TARGET, in all and rising, separated by commas.
# At "N" the connection that is at it breaks off. At "N!" nothing moves any more: FOLDER/held has N in it, until there is
# FOLDER/go.N. FOLDER/total has the number of bytes that have come from clients. Plain perl-base.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($target, $folder, $places) = @ARGV;
my @places = split /,/, $places // '';
$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1:0', ReuseAddr => 1) or die "listen: $!\n";
my $all = IO::Select->new($listener);
my (%peer, %from_client);
my $total = 0;

sub note {
	my ($name, $text) = @_;
	open my $file, '>', "$folder/$name.new" or die "$name: $!\n";
	print $file $text;
	close $file;
	rename "$folder/$name.new", "$folder/$name";
}

sub drop {
	my ($socket) = @_;
	for my $s ($socket, delete $peer{$socket}) {
		next unless $s;
		delete $peer{$s};
		delete $from_client{$s};
		$all->remove($s);
		close $s;
	}
	note('total', $total);
}

sub send_all {
	my ($socket, $bytes) = @_;
	my $sent = 0;
	while ($sent < length $bytes) {
		my $n = syswrite $socket, $bytes, length($bytes) - $sent, $sent;
		return 0 unless $n;
		$sent += $n;
	}
	return 1;
}

# True if the connection goes on.
sub take {
	my ($client, $bytes) = @_;
	my $next = @places ? $places[0] =~ /(\d+)/ && $1 : -1;
	my $breaks = 0;
	if ($next >= 0 && $total + length $bytes >= $next) {
		my $place = shift @places;
		if ($place =~ /!/) {
			note('held', $next);
			select undef, undef, undef, 0.005 until -e "$folder/go.$next";
		} else {
			$bytes = substr $bytes, 0, $next > $total ? $next - $total : 0;
			$breaks = 1;
		}
	}
	$total += length $bytes;
	return send_all($peer{$client}, $bytes) && !$breaks;
}

$| = 1;
note('total', 0);
print 'listening on 127.0.0.1:' . $listener->sockport . "\n";
while (1) {
	for my $socket ($all->can_read) {
		if ($socket == $listener) {
			my $client = $listener->accept or next;
			my $server = IO::Socket::INET->new(PeerAddr => $target);
			if (!$server) {
				close $client;
				next;
			}
			$peer{$client} = $server;
			$peer{$server} = $client;
			$from_client{$client} = 1;
			$all->add($client, $server);
			next;
		}
		next unless $peer{$socket};
		my $n = sysread $socket, my $bytes, 65536;
		my $on = $n && ($from_client{$socket} ? take($socket, $bytes) : send_all($peer{$socket}, $bytes));
		drop($socket) unless $on;
	}
}
