-- TLS of the embedded registry (core/server/tls.c).
local luff = require "luff"
local support = require "spec.support"

describe("the embedded registry with TLS", function()
	local dir, cert, key

	setup(function()
		dir = support.scratch()
		cert, key = dir .. "/cert.pem", dir .. "/key.pem"
		support.must { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
			"2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
			"-keyout", key, "-out", cert }
	end)

	local function curl(...)
		return support.run { "curl", "-s", "-S", "--cacert", cert, "--max-time", "60", ... }
	end

	for _, version in ipairs { "1.2", "1.3" } do
		it("takes and gives blobs by TLS " .. version, function()
			local server <close> = luff.serve { cert = cert, key = key }
			local bytes = ("0123456789abcdef"):rep(200000) .. version
			local file = support.write(support.scratch() .. "/blob", bytes)
			local base = "https://" .. server:address() .. "/v2/app/blobs/"
			local result = curl("--tlsv" .. version, "--tls-max", version, "-o", "/dev/null", "-w", "%{http_code}",
				"--data-binary",
				"@" .. file, "-H", "Content-Type: application/octet-stream", base .. "uploads/?digest=" .. luff.digest(bytes))
			assert.equal("201", result.stdout, result.stderr)
			result = curl("--tlsv" .. version, "--tls-max", version, base .. luff.digest(bytes))
			assert.equal(0, result.code, result.stderr)
			assert.equal(luff.digest(bytes), luff.digest(result.stdout))
		end)
	end

	it("speaks nothing older", function()
		local server <close> = luff.serve { cert = cert, key = key }
		local result = curl("--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0", "--tls-max", "1.1",
			"https://" .. server:address() .. "/v2/")
		assert.equal(35, result.code, result.stderr)
	end)

	it("is where luff copies to and from, with many connections", function()
		local server <close> = luff.serve { cert = cert, key = key, root = support.scratch() }
		local source = "oci:" .. support.scratch() .. "/source:v1"
		local image = support.make_image(source, { layers = { 5000, 200000, 3000000 } })
		local config = support.scratch()
		os.execute("mkdir " .. config .. "/luff")
		support.write(config .. "/luff/config.lua",
			("return { hosts = { [%q] = { ca = %q, scheme = 'https' } } }"):format(server:address(), cert))
		for i = 1, 3 do
			local result = support.luff({ "copy", source, ("%s/app%d:v1"):format(server:address(), i) },
				{ env = { XDG_CONFIG_HOME = config } })
			assert.equal(0, result.code, result.stderr)
			result = support.luff({ "copy", ("%s/app%d:v1"):format(server:address(), i),
				"oci:" .. support.scratch() .. "/back:v1" }, { env = { XDG_CONFIG_HOME = config } })
			assert.equal(0, result.code, result.stderr)
			assert.equal(image:digest(), result.stdout:match "%S+")
		end
	end)

	it("tells who speaks plain HTTP", function()
		local server <close> = luff.serve { cert = cert, key = key }
		local result = support.run { "curl", "-s", "-i", "--max-time", "20", "http://" .. server:address() .. "/v2/" }
		assert.truthy(result.stdout:find("^HTTP/1.0 400 .*speaks HTTPS"), result.stdout)
	end)

	it("serves others beside those who do not go on, and ends in time", function()
		local server = luff.serve { cert = cert, key = key }
		local port = server:address():match ":(%d+)$"
		-- Nothing, half a handshake's head, and rubbish in the place of a handshake.
		local stuck = support.start { "perl", "-MIO::Socket::INET", "-e", [[
			my @sockets = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die } 1 .. 40;
			for my $i (0 .. $#sockets) { $sockets[$i]->syswrite(
				("", "\x16\x03\x01", "\x16\x03\x01\x00\x20" . "x" x 32)[$i % 3]) }
			$| = 1; print "there\n"; sleep 600]], port }
		support.eventually(function() return stuck:stdout():find "there" end)
		local result = curl("https://" .. server:address() .. "/v2/")
		assert.equal("{}", result.stdout, result.stderr)
		server:close()
	end)

	it("wants a certificate and its key", function()
		for _, opts in ipairs {
			{ cert = cert },
			{ key = key },
			{ cert = dir .. "/nowhere", key = key },
			{ cert = key, key = key },
			{ cert = cert, key = dir .. "/nowhere" },
			{ cert = cert, key = cert },
		} do
			local err = support.fails(luff.serve, opts)
			assert.equal("invalid", err.code, err.message)
		end
	end)

	it("takes no key of another certificate", function()
		local other = support.certificates()
		local err = support.fails(luff.serve, { cert = cert, key = other .. "/server.key" })
		assert.equal("invalid", err.code)
		assert.truthy(err.message:find("server.key: not the key of the certificate", 1, true), err.message)
	end)

	it("makes a certificate for those who trust it", function()
		local file = support.scratch() .. "/own.crt"
		local server <close> = luff.serve { self_signed = file }
		local port = server:address():match ":(%d+)$"
		for _, host in ipairs { "127.0.0.1", "localhost" } do
			local result = support.run { "curl", "-sS", "--cacert", file, "--max-time", "60",
				("https://%s:%s/v2/"):format(host, port) }
			assert.equal("{}", result.stdout, result.stderr)
		end
		assert.equal(60, curl("https://127.0.0.1:" .. port .. "/v2/").code) -- which trusts another one
		local text = support.must { "openssl", "x509", "-in", file, "-noout", "-text" }
		for _, part in ipairs { "ecdsa-with-SHA256", "DNS:localhost", "Address:127.0.0.1", "Address:0:0:0:0:0:0:0:1" } do
			assert.truthy(text:find(part, 1, true), text)
		end
		support.must { "openssl", "verify", "-CAfile", file, "-purpose", "sslserver", file }
		local first = support.read(file)
		assert.is_nil(first:find("PRIVATE", 1, true))
		luff.serve({ self_signed = file }):close()
		assert.not_equal(first, support.read(file))
		support.fails(luff.serve, { self_signed = file, cert = cert, key = key })
		support.fails(luff.serve, { self_signed = dir .. "/nowhere/own.crt" })
	end)

	it("serves the tools that people have", function()
		local skopeo = support.peer "skopeo"
		if not skopeo then
			return pending "skopeo is not installed"
		end
		local server <close> = luff.serve { cert = cert, key = key }
		local source = support.scratch() .. "/source"
		local certs = support.scratch()
		support.write(certs .. "/ca.crt", support.read(cert))
		support.make_image("oci:" .. source .. ":v1", { layers = { 5000, 2000000 } })
		support.must { skopeo, "--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-cert-dir", certs,
			"oci:" .. source .. ":v1", "docker://" .. server:address() .. "/app:v1" }
		support.must { skopeo, "--insecure-policy", "copy", "-q", "--src-cert-dir", certs,
			"docker://" .. server:address() .. "/app:v1", "oci:" .. support.scratch() .. "/back:v1" }
	end)
end)
