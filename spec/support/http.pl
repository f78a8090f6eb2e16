# An HTTP client that sends what it is told and says what came back, byte by byte; http.lua is its other side. It reads requests
# from one pipe and writes answers to another, so that a spec pays for one program, not for one a request:
#   "host port length\n" and so many bytes to send  ->  "length\n" and the bytes that came until the connection closed
use strict;
use warnings;
use IO::Socket::INET;

my ($from, $to) = @ARGV;
$SIG{PIPE} = 'IGNORE';
open my $in, '<:raw', $from or die "$from: $!";
open my $out, '>:raw', $to or die "$to: $!";
$out->autoflush(1);

while (defined(my $line = <$in>)) {
	my ($host, $port, $length) = split ' ', $line;
	my ($bytes, $answer) = ('', '');
	read($in, $bytes, $length) == $length or last if $length;
	my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 60);
	if ($socket) {
		# what is refused early may not be read to its end: the answer counts
		my $at = 0;
		while ($at < length $bytes) {
			my $n = syswrite($socket, $bytes, length($bytes) - $at, $at);
			last unless $n;
			$at += $n;
		}
		1 while sysread($socket, $answer, 1 << 20, length $answer);
		close $socket;
	}
	print $out length($answer), "\n", $answer;
}
