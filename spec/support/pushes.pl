# Many clients at once, each of which pushes one blob and then one manifest that names it, and says what was acknowledged:
#   pushes.pl HOST PORT FOLDER COUNT, with FOLDER/N.blob, N.blob.path, N.manifest and N.manifest.path
# prints "blob N" and "manifest N" as soon as the server has answered 201. An answer that does not come ends the client.
use strict;
use warnings;
use IO::Socket::INET;

my ($host, $port, $folder, $count) = @ARGV;
$SIG{PIPE} = 'IGNORE';
$| = 1;

sub slurp {
	my ($name) = @_;
	local $/;
	open my $file, '<:raw', "$folder/$name" or die "$name: $!";
	return scalar <$file>;
}

sub push_one {
	my ($method, $name, $type) = @_;
	my ($path, $bytes, $answer) = (slurp("$name.path"), slurp($name), '');
	my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 60) or exit 1;
	my $request = "$method $path HTTP/1.1\r\nHost: $host:$port\r\nConnection: close\r\nContent-Type: $type\r\n"
		. 'Content-Length: ' . length($bytes) . "\r\n\r\n$bytes";
	my $at = 0;
	while ($at < length $request) {
		my $n = syswrite($socket, $request, length($request) - $at, $at) or exit 1;
		$at += $n;
	}
	1 while sysread($socket, $answer, 65536, length $answer);
	exit 1 unless $answer =~ m{^HTTP/1\.1 201 };
}

for my $n (1 .. $count) {
	defined(my $pid = fork) or die "fork: $!";
	next if $pid;
	push_one('POST', "$n.blob", 'application/octet-stream');
	syswrite(STDOUT, "blob $n\n");
	push_one('PUT', "$n.manifest", 'application/vnd.oci.image.manifest.v1+json');
	syswrite(STDOUT, "manifest $n\n");
	exit 0;
}
1 while wait > 0;
