-- What the embedded registry bears and tells: limits, hostile clients, the access log, /metrics, the end in peace.
local luff = require "luff"
local support = require "spec.support"

-- "luff serve" with those words; .address, and .pid is the program itself.
local function serve(...)
	local server = support.start { support.program, "serve", "--listen", "127.0.0.1:0", ... }
	server.address = support.eventually(function()
		return server:stdout():match "127%.0%.0%.1:%d+" or not server:running() and error(server:stderr())
	end)
	return server
end

local function curl(server, path, ...)
	local result = support.run { "curl", "-s", "-S", "-g", "--path-as-is", "--max-time", "60", "-w", "\n%{http_code}",
		"http://" .. server.address .. path, ... }
	local body, status = result.stdout:match "^(.*)\n(%d+)$"
	assert(status, result.stderr)
	return tonumber(status), body
end

-- A client in perl: `$port`, connect() and @ARGV are there. Prints "there" by itself.
local function client(server, code)
	local started = support.start { "perl", "-MIO::Socket::INET", "-e", [[
		$| = 1; $SIG{PIPE} = "IGNORE"; my $port = shift;
		sub connect_it { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 20) }
	]] .. code, server.address:match ":(%d+)$" }
	return started
end

-- Resident memory in MB.
local function memory(server)
	local pid = support.sh(("pgrep -P %d luff || echo %d"):format(server.pid, server.pid))
	return tonumber(support.read("/proc/" .. pid:match "%d+" .. "/status"):match "VmHWM:%s*(%d+)") / 1000
end

local sanitized = (os.getenv "SANITIZE" or "") ~= ""

describe("the embedded registry", function()
	it("refuses blobs that are too large, said at once or found out on the way, and keeps nothing of them", function()
		local root = support.scratch()
		local server = serve("--upload-max", "1", root)
		local small, large = ("s"):rep(1000000), ("l"):rep(1000001)
		local dir = support.scratch()
		support.write(dir .. "/small", small)
		support.write(dir .. "/large", large)
		local function push(name, bytes, ...)
			return curl(server, "/v2/app/blobs/uploads/?digest=" .. luff.digest(bytes), "-X", "POST", "-H",
				"Content-Type: application/octet-stream", "--data-binary", "@" .. dir .. "/" .. name, ...)
		end
		assert.equal(201, (push("small", small)))
		local status, body = push("large", large)
		assert.equal(413, status)
		assert.equal("SIZE_INVALID", luff.json.decode(body).errors[1].code)
		assert.equal(413, (push("large", large, "-H", "Transfer-Encoding: chunked")))
		-- In chunks, none of which is too large.
		local _, head = curl(server, "/v2/app/blobs/uploads/", "-X", "POST", "-D", "-")
		local location = head:match "[Ll]ocation: (%S+)"
		assert.equal(202, (curl(server, location, "-X", "PATCH", "--data-binary", "@" .. dir .. "/small")))
		assert.equal(413, (curl(server, location, "-X", "PATCH", "--data-binary", "x")))
		assert.equal(404, (curl(server, location, "-X", "PATCH", "--data-binary", "x")))
		assert.equal("1", support.sh(("find %s -type f -size +1 | wc -l"):format(root)))
	end)

	it("refuses what no limit can be", function()
		for _, opts in ipairs { { connections = 7 }, { connections = 10001 }, { connections = "8" }, { idle_timeout = 0 },
			{ idle_timeout = 3601 }, { upload_max = 0 }, { upload_max = 1.5 }, { access_log = "/nowhere/log" } } do
			assert.truthy(support.fails(luff.serve, opts).message:find(next(opts) == "access_log" and "/nowhere" or next(opts)))
		end
		assert.equal(2, support.luff("serve", "--upload-max", "-1").code)
		assert.equal(2, support.luff("serve", "--connections", "many").code)
	end)

	it("ends connections on which nothing moves", function()
		local server <close> = luff.serve { idle_timeout = 1 }
		local idle = client({ address = server:address() },
			[[my $s = connect_it(); print $s "GET /v2/ HTTP/1.1\r\n"; read($s, my $x, 1); print "ended"]])
		support.eventually(function() return idle:stdout() == "ended" end)
	end)

	it("serves others beside more clients than it has places for, who are silent or go letter by letter", function()
		local server = serve("--connections", "16")
		local crowd = client(server, [[
			my @heads = ("", "GET /v2/ HTTP/1.1\r\n", "POST /v2/app/blobs/uploads/?digest=sha256:" . "0" x 64
				. " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
			my @s; for (0 .. 47) { my $s = connect_it() or last; $s->autoflush(1); print $s $heads[$_ % 3]; push @s, $s }
			print "there\n"; for (1 .. 600) { sleep 1; for (0 .. $#s) { print { $s[$_] } "x" if $_ % 3 } }]])
		support.eventually(function() return crowd:stdout():find "there" end)
		-- Patience: those who are slow have to show it first.
		support.eventually(function()
			return support.run({ "curl", "-s", "--max-time", "20", "http://" .. server.address .. "/v2/" }).stdout == "{}"
		end, 150)
	end)

	it("gives a blob to 400 who ask at the same time, in little memory", function()
		local root, clients = support.scratch(), support.scaled(400)
		local bytes = support.random(300000)
		local digest = luff.push_blob("oci:" .. root .. "/app", bytes).digest
		local server = serve(root)
		local before = memory(server)
		-- All have asked before one reads, they read in turns, and stay until the last one has it.
		local crowd = client(server, ([[
			use IO::Select; my %%got; my @all;
			open my $file, "<:raw", "%s" or die; my $want = do { local $/; <$file> };
			for (1 .. %d) { my $s = connect_it() or die "connect: $!"; push @all, $s; $got{$s} = "";
				syswrite $s, "GET /v2/app/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n" }
			my $waiting = IO::Select->new(@all); my $whole = 0;
			while ($waiting->count) {
				my @ready = $waiting->can_read(60); die "silence" unless @ready;
				for my $s (@ready) {
					sysread $s, $got{$s}, 65536, length $got{$s} or die "an end";
					my $head = index $got{$s}, "\r\n\r\n";
					next if $head < 0 || length($got{$s}) < $head + 4 + length $want;
					$waiting->remove($s);
					$whole++ if substr($got{$s}, $head + 4) eq $want } }
			print "whole: $whole"]]):format(root .. "/app/blobs/sha256/" .. digest:match ":(.*)", clients, digest))
		assert.equal(0, crowd:wait(120), crowd:stderr())
		assert.equal("whole: " .. clients, crowd:stdout())
		if not sanitized then
			assert.is_true(memory(server) - before < 60, memory(server) - before)
		end
		assert.equal(200, (curl(server, "/v2/")))
		server:stop()
	end)

	it("gives up on headers without end, and goes on", function()
		local server = serve()
		for _, head in ipairs { [["X: " . "y" x 1000 . "\r\n"]], [["y" x 1000]] } do
			local flood = client(server, ([[my $s = connect_it(); print $s "GET /v2/ HTTP/1.1\r\n"; my $n = 0;
				while ($n < 200000 && print $s %s) { $n++ } print $n < 200000 ? "stopped" : "took it all"]]):format(head))
			support.eventually(function() return flood:stdout() ~= "" end, 60)
			assert.equal("stopped", flood:stdout())
		end
		assert.equal(200, (curl(server, "/v2/")))
		assert.is_true(sanitized or memory(server) < 60, memory(server))
	end)

	it("answers or hangs up on requests that lie or make no sense", function()
		local server = serve()
		local digest = "sha256:" .. ("0"):rep(64)
		for _, text in ipairs {
			"\\0\\0\\0\\0", "GET\\r\\n\\r\\n", "GET /v2/ HTTP/9.9\\r\\n\\r\\n",
			"GET http://[::1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n",
			"POST /v2/a/blobs/uploads/ HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: -5\\r\\n\\r\\n",
			"POST /v2/a/blobs/uploads/ HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 99999999999999999999999\\r\\n\\r\\n",
			"POST /v2/a/blobs/uploads/ HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
				.. "ffffffffffffffffff\\r\\nx",
			"POST /v2/a/blobs/uploads/ HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n",
			"PUT /v2/a/manifests/v1 HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 10000000000\\r\\n\\r\\nx",
			"POST /v2/a/blobs/uploads/?digest=" .. digest .. " HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 10\\r\\n\\r\\nabc",
		} do
			local liar = client(server, ([[my $s = connect_it(); $s->autoflush(1); print $s "%s"; shutdown($s, 1);
				local $/; my $a = <$s>; print "over:", substr($a // "", 0, 12)]]):format(text))
			support.eventually(function() return liar:stdout():find "over:" end, 40, text)
			assert.is_nil(liar:stdout():find("HTTP/1.1 2", 1, true), text .. liar:stdout())
		end
		assert.equal(200, (curl(server, "/v2/")))
	end)

	it("leaves its folder by no name, and tells no file of it", function()
		local outer = support.scratch()
		local root = outer .. "/root"
		os.execute("mkdir " .. root)
		support.write(outer .. "/secret", "secret")
		support.make_image("oci:" .. root .. "/app:v1")
		local server = serve(root)
		local before = support.checksums(outer)
		local digest = "sha256:" .. ("0"):rep(64)
		for _, path in ipairs { "/v2/../secret", "/v2/../../secret/tags/list", "/v2/%2e%2e/manifests/secret",
			"/v2/app/../../secret/tags/list", "/v2/app/manifests/..%2f..%2fsecret", "/v2/app/manifests/../index.json",
			"/v2/app/blobs/sha256:..%2f..%2findex.json", "/v2/app/blobs/../index.json", "/v2/app/blobs/sha256%3a%2e%2e",
			"/v2//app/tags/list", "/v2/app%00/tags/list", "/v2/app/blobs/uploads/../../x", "/v2/app/blobs/uploads/..%2f..",
			"/v2/app/blobs/sha256/tags/list", "/v2/app/ingest/tags/list", "/v2/" .. ("a/"):rep(200) .. "tags/list",
			"/v2/app/blobs/" .. digest .. "%00", "/v2/app/manifests/-x", "/v2/app/referrers/../../../etc/passwd",
			"/v2/_catalog?n=-1&last=../..", "/v2/_catalog?n=99999999999999999999" } do
			for _, method in ipairs { "GET", "PUT" } do
				local status, body = curl(server, path, "-X", method, "--data-binary", "{}")
				assert.is_true(status >= 400 and status < 500 or path:find "_catalog" and status < 500, path .. " " .. status)
				assert.is_nil(body:find("secret\n", 1, true) or body:find("imageLayoutVersion", 1, true)
					or body:find("root:", 1, true))
			end
		end
		assert.equal(before, support.checksums(outer))
	end)

	it("bears uploads without end that nobody finishes", function()
		local root = support.scratch()
		local server = serve(root)
		local count = sanitized and 1500 or 10000
		local opener = client(server, ([[my ($n, %%seen) = 0; my $s;
			while ($n < %d) { $s //= connect_it();
				print $s "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"; $s->flush;
				my $status = <$s>; my $len = 0;
				$status =~ / (\d+)/ or last; $seen{$1}++; $n++;
				while (<$s>) { $len = $1 if /^content-length: (\d+)/i; last if /^\r$/ } read($s, my $x, $len) if $len }
			print join(" ", $n, map { "$_" } sort keys %%seen)]]):format(count))
		support.eventually(function() return opener:stdout() ~= "" end, 120)
		-- 429 is a plain word, too: there are more than it takes at a time.
		assert.truthy(opener:stdout():find("^" .. count .. " 202") and not opener:stdout():find " [135]%d%d", opener:stdout())
		assert.equal(200, (curl(server, "/v2/")))
		assert.is_true(tonumber(support.sh("find " .. root .. " -path '*/ingest/*' -type f | wc -l")) <= 1024)
		assert.is_true(sanitized or memory(server) < 80, memory(server))
	end)

	it("lets nobody fill its memory", function()
		local server <close> = luff.serve {}
		local stop = client({ address = server:address() }, [[my $s = connect_it(); my $block = "x" x 65536; my $sent = 0;
			print $s "POST /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n"; close $s; $s = connect_it();
			print $s "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
			while ($sent < 1000 && print $s "10000\r\n$block\r\n") { $sent++ } print $sent < 1100 ? "stopped" : "took all"]])
		support.eventually(function() return stop:stdout() ~= "" end, 60)
		assert.equal("stopped", stop:stdout())
	end)

	it("logs each request as a line of JSON, without passwords", function()
		local log = support.scratch() .. "/log"
		local server = serve("--access-log", log)
		curl(server, "/v2/", "-A", "tester \"1\"", "-u", "me:secret")
		curl(server, "/v2/app/manifests/v1")
		local lines = support.eventually(function()
			local found = {}
			for line in support.read(log):gmatch "[^\n]+\n" do
				found[#found + 1] = luff.json.decode(line)
			end
			return #found == 2 and found
		end)
		assert.is_nil(support.read(log):find("secret", 1, true))
		assert.same({ "GET", "/v2/", 200, 'tester "1"', 2 },
			{ lines[1].method, lines[1].path, lines[1].status, lines[1].agent, lines[1].sent })
		assert.same({ "/v2/app/manifests/v1", 404 }, { lines[2].path, lines[2].status })
		assert.truthy(lines[1].time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
		assert.truthy(lines[1].client:find "^127%.0%.0%.1:%d+$")
		assert.is_true(lines[1].seconds >= 0)
	end)

	it("logs to stdout behind its address", function()
		local server = serve("--access-log", "-")
		curl(server, "/v2/")
		support.eventually(function() return server:stdout():find '^[%d.:]+\n{.*"path":"/v2/".*}\n$' end)
	end)

	it("counts for Prometheus, where that is wanted", function()
		assert.equal(404, (curl(serve(), "/metrics")))
		local server = serve("--metrics")
		curl(server, "/v2/")
		curl(server, "/v2/app/manifests/v1")
		local text = support.eventually(function()
			local status, body = curl(server, "/metrics")
			assert.equal(200, status)
			return body:find('luff_requests_total{method="GET",code="404"} 1\n', 1, true) and body
		end)
		for _, line in ipairs { "# TYPE luff_requests_total counter", 'luff_request_seconds_bucket{le="%+Inf"} %d+',
			"luff_requests_running 1", "luff_sent_bytes_total %d+", "luff_received_bytes_total 0" } do
			assert.truthy(text:find(line), line)
		end
		for line in text:gmatch "[^\n]+" do
			assert.truthy(line:find "^# %u+ luff_[%l_]+ .+$" or line:find "^luff_[%l_]+ [%d.]+$"
				or line:find '^luff_[%l_]+{[%l]+="[^"]+"[^}]*} %d+$', line)
		end
	end)

	for _, signal in ipairs { "TERM", "INT" } do
		it("finishes what runs when it is told to end by SIG" .. signal, function()
			local root = support.scratch()
			local server = serve(root)
			local bytes = ("0123456789"):rep(100000)
			local slow = client(server, ([[my $s = connect_it(); $s->autoflush(1); my $b = "0123456789" x 10000;
				print $s "POST /v2/app/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
				for (1 .. 10) { print $s $b; print "part\n"; select(undef, undef, undef, 0.05) }
				my $a = <$s>; print "answer: $a"; while (<$s>) { print; last if /^\r$/ }]]):format(luff.digest(bytes)))
			local idle = client(server, [[my $s = connect_it(); print $s "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"; $s->flush;
				while (<$s>) { last if /^\r$/ } read($s, my $x, 2); print "there\n"; read($s, $x, 1); print "ended\n"]])
			support.eventually(function() return slow:stdout():find "part" and idle:stdout():find "there" end)
			server:kill(signal)
			support.eventually(function() return slow:stdout():find "answer" end)
			assert.truthy(slow:stdout():find("answer: HTTP/1.1 201", 1, true), slow:stdout())
			assert.equal(0, server:wait())
			support.eventually(function() return idle:stdout():find "ended" end)
			assert.truthy(support.exists(root .. "/app/blobs/" .. luff.digest(bytes):gsub(":", "/")))
		end)
	end
end)
