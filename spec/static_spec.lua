-- Not under sanitizers.
-- The program of `make static` in folders that have nothing else in them. `make check-static` builds it before.
local luff = require "luff"
local support = require "spec.support"

local program = (os.getenv "LUFF_BUILD" or "build") .. "/static/luff"

describe("the static program", function()
	local root

	-- Runs it with the folder as its root.
	local function run(...)
		return support.run({ "env", "-i", "PATH=/usr/sbin:/usr/bin", "HOME=/", "chroot", root, "/luff", ... })
	end

	local function want(...)
		local result = run(...)
		assert.equal(0, result.code, result.stderr)
		return result.stdout
	end

	-- A test of it, where it was built and this user may change the root.
	local function test(name, f)
		it(name, function()
			if not support.exists(program) then
				return pending "make static was not run"
			elseif support.sh "id -u" ~= "0" then
				return pending "only root changes the root"
			end
			root = support.scratch()
			support.must { "sh", "-ec", 'cp "$1" "$2/luff" && mkdir -p "$2/var/tmp"', "sh", program, root }
			f()
		end)
	end

	test("needs no library and no loader", function()
		local headers = support.must { "readelf", "-lW", program }
		assert.falsy(headers:find "INTERP")
		assert.falsy(headers:find "DYNAMIC")
	end)

	test("says what it stands on", function()
		local text = want("version", "-v")
		for _, name in ipairs { "cjson", "hash", "libcurl", "libdeflate", "libmicrohttpd", "lua", "zlib", "zstd" } do
			assert.truthy(text:find("\n  " .. name .. " +%S"), text)
		end
		assert.falsy(text:find "not installed", text)
		assert.truthy(text:find "wolfSSL", text)
	end)

	test("runs commands, scripts and lines of the prompt", function()
		want("copy", "random:layers=2,size=100000", "oci:/a:v1")
		assert.equal(want("digest", "random:layers=2,size=100000"), want("digest", "oci:/a:v1"))
		support.write(root .. "/x.lua", [[
			local luff = require "luff"
			for _, l in ipairs(luff.open(arg[1]):layers()) do print(l:size()) end
			print(require("luff.regex").new("^(\\w+)-([0-9]+)$"):match "alpine-320")
		]])
		assert.equal("alpine\t320", want("/x.lua", "oci:/a:v1"):match "([^\n]*)\n$")
		local result = support.run({ "chroot", root, "/luff", "repl" }, { stdin = "1 + 2\nluff.version().lua\n" })
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find "3\n", result.stdout)
		assert.truthy(result.stdout:find "Lua 5.4", result.stdout)
	end)

	for _, compression in ipairs { "gzip", "xz", "zstd", "bzip2" } do
		test("unpacks " .. compression, function()
			local dir = support.scratch()
			support.must { "sh", "-ec", [[cd "$1" && mkdir in && seq 300000 >in/n && tar -C in -cf - . | "$2" -c >a.tar]],
				"sh", dir, compression }
			support.must { "cp", dir .. "/a.tar", root .. "/a.tar" }
			assert.equal(want("digest", "rootfs:/a.tar"), support.luff("digest", "rootfs:" .. dir .. "/a.tar").stdout)
		end)
	end

	test("copies from a registry by HTTP and by TLS", function()
		local dir = support.scratch()
		local cert, key = dir .. "/cert.pem", dir .. "/key.pem"
		support.must { "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
			"-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert }
		for _, options in ipairs { {}, { cert = cert, key = key } } do
			local server <close> = luff.serve(options)
			local name = server:address() .. "/app:v1"
			local settings = options.cert and "scheme = 'https', ca = '/ca.pem'" or "scheme = 'http'"
			support.must { "sh", "-ec", 'mkdir -p "$1/.config/luff" && cp "$2" "$1/ca.pem"', "sh", root, cert }
			support.write(root .. "/.config/luff/config.lua",
				("return { hosts = { [%q] = { %s } } }"):format(server:address(), settings))
			want("copy", "random:layers=3,size=3000000", name)
			assert.equal(want("digest", "random:layers=3,size=3000000"),
				want("copy", name, "oci:/" .. (options.cert and "tls" or "plain") .. ":v1"):match "%S+" .. "\n")
			if options.cert then
				support.write(root .. "/.config/luff/config.lua",
					("return { hosts = { [%q] = { scheme = 'https' } } }"):format(server:address()))
				local result = run("digest", name)
				assert.equal("", result.stdout)
				assert.truthy(result.stderr:find "certificate" or result.stderr:find "CA signer", result.stderr)
				-- where the system keeps them
				support.must { "sh", "-ec", 'mkdir -p "$1/etc/pki/tls/certs" && cp "$2" "$1/etc/pki/tls/certs/ca-bundle.crt"',
					"sh", root, cert }
				want("digest", name)
			end
		end
	end)

	test("serves, with a certificate of its own making and users", function()
		local hash = support.must { "perl", "-e", 'print crypt("secret", q($2y$05$abcdefghijklmnopqrstuu))' }
		support.write(root .. "/users", "me:" .. hash .. "\n")
		support.write(root .. "/s.lua", [[
			local luff = require "luff"
			local server <close> = luff.serve { self_signed = "/own.crt", htpasswd = "/users", root = "/shelf" }
			for _, password in ipairs { "wrong", "secret" } do
				luff.config { hosts = { [server:address()] = {
					scheme = "https", insecure = true, user = "me", password = password } } }
				print(pcall(luff.copy, "random:layers=2", server:address() .. "/app:v1"))
			end
		]])
		local said = want("/s.lua")
		assert.truthy(said:find "^false[^\n]*\ntrue", said)
	end)
end)
