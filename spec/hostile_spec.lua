-- Not under the thread sanitizer.
-- What lies, breaks off, overflows or points elsewhere: one clear error each, and nothing of it is left behind.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local oci_index = "application/vnd.oci.image.index.v1+json"
local oci_config = "application/vnd.oci.image.config.v1+json"
local oci_layer = "application/vnd.oci.image.layer.v1.tar"

local config = '{"architecture":"amd64","os":"linux"}'
local layer = ("0123456789abcdef"):rep(4096)

local function descriptor(bytes, media_type, lie)
	local d = { mediaType = media_type, digest = luff.digest(bytes), size = #bytes }
	for key, value in pairs(lie or {}) do
		d[key] = value
	end
	return d
end

local function manifest_of(members)
	local manifest = {
		schemaVersion = 2, mediaType = oci_manifest, config = descriptor(config, oci_config),
		layers = luff.array { descriptor(layer, oci_layer) },
	}
	for key, value in pairs(members or {}) do
		manifest[key] = value
	end
	return luff.json.encode(manifest)
end

-- A registry that holds one image, app:v1. lies: rules that come before the honest ones; manifest, media_type.
local function registry(lies, manifest, media_type)
	manifest = manifest or manifest_of()
	local rules = { table.unpack(lies or {}) }
	local headers = { ["Content-Type"] = media_type or oci_manifest, ["Docker-Content-Digest"] = luff.digest(manifest) }
	for _, rule in ipairs {
		{ "*", "/v2/", body = "{}" },
		{ "*", "/v2/app/manifests/(v1|" .. luff.digest(manifest) .. ")", headers = headers, body = manifest },
		{ "*", "/v2/app/blobs/" .. luff.digest(config), body = config },
		{ "*", "/v2/app/blobs/" .. luff.digest(layer), body = layer },
	} do
		rules[#rules + 1] = rule
	end
	return support.canned(rules)
end

local function answer(status, headers, body)
	return ("HTTP/1.1 %s\r\n%s\r\n\r\n%s"):format(status, table.concat(headers, "\r\n"), body or "")
end

local function one_of(...)
	local set = {}
	for _, word in ipairs { ... } do
		set[word] = true
	end
	return set
end

local target
-- What names point to, and whether all that is there is what its name says. A blob that arrived whole may stay: the
-- next run need not move it again.
local function sound(dir)
	for _, path in ipairs(support.files(dir .. "/blobs")) do
		local algorithm, hex = path:match("(%w+)/(%x+)$")
		assert.equal(algorithm .. ":" .. hex, luff.digest(support.read(path), algorithm))
	end
	assert.same({}, support.files(dir .. "/ingest"))
	return support.read(dir .. "/index.json")
end

-- A layout that has an image and the config; the copy must fail with one of the codes and leave it as it is.
local function refused(source, codes)
	local before = sound(target)
	local err = support.fails(luff.copy, source, "oci:" .. target .. ":v1")
	if type(codes) == "string" then
		codes = one_of(codes)
	end
	assert.is_true(codes[err.code], err.code .. ": " .. err.message)
	assert.equal(before, sound(target))
	assert.is_nil(err.message:find("%c"), err.message)
	assert.is_true(#err.message < 400, err.message)
	return err
end

describe("luff", function()
	before_each(function()
		target = support.scratch() .. "/target"
		luff.push_blob("oci:" .. target, config, { media_type = oci_config })
		support.make_image("oci:" .. target .. ":v1", { config = { author = "old" } })
	end)

	it("copies from the honest version of these registries", function()
		local server = registry()
		local result = luff.copy(server.address .. "/app:v1", "oci:" .. target .. ":v1")
		assert.equal(luff.digest(manifest_of()), result.digest)
	end)

	describe("refuses a blob", function()
		local blob = "/v2/app/blobs/" .. "sha256:[0-9a-f]+"

		it("whose digest is another", function()
			local server = registry { { "GET", blob, body = (layer:gsub("f", "g")) } }
			local err = refused(server.address .. "/app:v1", "digest_mismatch")
			assert.truthy(err.message:find(luff.digest(layer):sub(1, 19), 1, true), err.message)
		end)

		it("that is longer than its size", function()
			local server = registry { { "GET", blob, body = layer .. "more" } }
			refused(server.address .. "/app:v1", one_of("size_mismatch", "digest_mismatch"))
		end)

		it("that is longer than its size and does not say so", function()
			local server = registry { { "GET", blob, raw = answer("200 OK", { "Connection: close" }, layer .. layer) } }
			refused(server.address .. "/app:v1", one_of("size_mismatch", "digest_mismatch"))
		end)

		it("that is shorter than its size", function()
			local server = registry { { "GET", blob, body = layer:sub(1, -2) } }
			refused(server.address .. "/app:v1", one_of("size_mismatch", "bad_format", "network"))
		end)

		it("that is cut off", function()
			local server = registry { { "GET", blob, raw = answer("200 OK",
				{ "Content-Length: " .. #layer, "Connection: close" }, layer:sub(1, #layer // 2)) } }
			refused(server.address .. "/app:v1", one_of("network", "bad_format"))
		end)

		it("that is cut off in a chunk", function()
			local server = registry { { "GET", blob, raw = answer("200 OK",
				{ "Transfer-Encoding: chunked", "Connection: close" }, "8000\r\n" .. layer:sub(1, 1000)) } }
			refused(server.address .. "/app:v1", one_of("network", "bad_format"))
		end)

		it("that ends without its last chunk", function()
			local server = registry { { "GET", blob, raw = answer("200 OK", { "Transfer-Encoding: chunked",
				"Connection: close" }, ("%x\r\n%s\r\n"):format(#layer, layer)) } }
			-- All the bytes are there: to take them is right, too.
			local before = support.checksums(target)
			local result = luff.try(luff.copy, server.address .. "/app:v1", "oci:" .. target .. ":v1")
			assert.is_true(result ~= nil or before == support.checksums(target))
		end)

		it("that the server does not have", function()
			local server = registry { { "GET", blob, status = 404 } }
			refused(server.address .. "/app:v1", "not_found")
		end)

		it("made of parts that do not fit", function()
			local half = #layer // 2
			local server = registry {
				{ "GET", blob, when = "^Range:", raw = answer("206 Partial Content", { "Content-Length: " .. half,
					("Content-Range: bytes %d-%d/%d"):format(half, #layer - 1, #layer), "Connection: close" },
					(layer:sub(half + 1):gsub("0", "1"))) },
				{ "GET", blob, raw = answer("200 OK", { "Content-Length: " .. #layer, "Connection: close" },
					layer:sub(1, half)) },
			}
			refused(server.address .. "/app:v1", one_of("digest_mismatch", "network", "bad_format"))
		end)

		it("whose second half comes from elsewhere", function()
			local half = #layer // 2
			local server = registry {
				{ "GET", blob, when = "^Range:", raw = answer("206 Partial Content", { "Content-Length: " .. half,
					("Content-Range: bytes 0-%d/%d"):format(half - 1, #layer), "Connection: close" },
					layer:sub(1, half)) },
				{ "GET", blob, raw = answer("200 OK", { "Content-Length: " .. #layer, "Connection: close" },
					layer:sub(1, half - 1)) },
			}
			refused(server.address .. "/app:v1", one_of("digest_mismatch", "network", "bad_format", "http", "size_mismatch"))
		end)
	end)

	it("takes a blob up again, whether or not the server knows ranges", function()
		local blob, half = "/v2/app/blobs/" .. luff.digest(layer), #layer // 2
		local broken = { "GET", blob, once = true, raw = answer("200 OK",
			{ "Content-Length: " .. #layer, "Connection: close" }, layer:sub(1, half)) }
		for _, rest in ipairs {
			{ "GET", blob, when = ("^Range: bytes=%d-"):format(half), raw = answer("206 Partial Content",
				{ "Content-Length: " .. half, ("Content-Range: bytes %d-%d/%d"):format(half, #layer - 1, #layer),
					"Connection: close" }, layer:sub(half + 1)) },
			{ "GET", blob, body = layer },
		} do
			local server = registry { broken, rest }
			local again = "memory:again" .. #server.requests() .. server.address:match("%d+$") .. ":v1"
			luff.copy(server.address .. "/app:v1", again)
			assert.equal(layer, luff.open(again):layers()[1]:compressed():read "a")
		end
	end)

	describe("refuses a manifest", function()
		-- From a registry by tag and by digest, and from a layout, which anyone may have written.
		local function everywhere(text, codes, media_type)
			local server = registry({}, text, media_type)
			refused(server.address .. "/app:v1", codes)
			refused(server.address .. "/app@" .. luff.digest(text), codes)
			local source = support.scratch()
			local blob, name = support.layout(source)
			blob(config, oci_config)
			blob(layer, oci_layer)
			name("v1", blob(text, media_type or oci_manifest))
			return refused("oci:" .. source .. ":v1", codes)
		end

		it("of 4.1 MiB", function()
			local text = manifest_of { annotations = { filler = ("x"):rep(4300000) } }
			everywhere(text, "too_large")
		end)

		it("of 4.1 MiB whose length is not told", function()
			local text = manifest_of { annotations = { filler = ("x"):rep(4300000) } }
			local server = registry { { "*", "/v2/app/manifests/.*", raw = answer("200 OK",
				{ "Content-Type: " .. oci_manifest, "Connection: close" }, text) } }
			refused(server.address .. "/app:v1", "too_large")
		end)

		it("with JSON that nests 10,000 deep", function()
			local deep = ("["):rep(10000) .. ("]"):rep(10000)
			everywhere(manifest_of():gsub("^{", '{"x":' .. deep .. ","), "bad_format")
			everywhere(('{"a":'):rep(10000) .. "1" .. ("}"):rep(10000), "bad_format")
			everywhere(("["):rep(10000), "bad_format")
		end)

		it("that is both an image and an index", function()
			local both = manifest_of { manifests = luff.array { descriptor(config, oci_manifest) } }
			local err = everywhere(both, "bad_format")
			assert.truthy(err.message:find("index", 1, true) and err.message:find("image", 1, true), err.message)
			everywhere(both, "bad_format", oci_index)
		end)

		it("that says to be something else than it was given as", function()
			everywhere(manifest_of(), "bad_format", oci_index)
			everywhere(manifest_of { mediaType = oci_index }, "bad_format")
			everywhere(luff.json.encode { schemaVersion = 2, mediaType = oci_index, manifests = luff.array {} },
				"bad_format")
		end)

		it("that is no JSON, or more than JSON", function()
			for _, text in ipairs {
				"", "null", "[]", '"text"', "7", "{", "<html>not a registry</html>", manifest_of() .. "x",
				manifest_of() .. manifest_of(), manifest_of():sub(1, -2), manifest_of() .. "\0{}",
				(manifest_of():gsub('"schemaVersion":2', '"schemaVersion":"2"')),
				(manifest_of():gsub('"schemaVersion":2', '"schemaVersion":3')),
			} do
				everywhere(text, one_of("bad_format", "unsupported"))
			end
		end)

		it("of schema 1, by its name", function()
			local err = everywhere('{"schemaVersion":1,"name":"app","tag":"v1","fsLayers":[],"history":[]}', "unsupported",
				"application/vnd.docker.distribution.manifest.v1+prettyjws")
			assert.truthy(err.message:find("schema 1", 1, true), err.message)
		end)

		it("with sizes that are none", function()
			for _, size in ipairs { "-1", "1e300", "0.5", '"12"', "null", "9223372036854775808", "1e", "[]", "true" } do
				everywhere((manifest_of():gsub('"size":%d+', '"size":' .. size)), "bad_format")
			end
		end)

		it("with digests that are none, and never uses them as a path", function()
			local hex = luff.digest(layer):match(":(.*)")
			for _, digest in ipairs {
				"sha256:../../x", "sha256:" .. ("../"):rep(21) .. "x", "../" .. hex, "sha256:" .. hex:upper(),
				"sha256:" .. hex:sub(2), "sha256:" .. hex .. "0", "sha256:" .. hex:sub(1, -2) .. "/", "md5:" .. hex:sub(1, 32),
				"sha256", "sha256:", "", "sha256:" .. hex:sub(1, 62) .. "%2f", "sha512:" .. hex, "sha256:" .. hex .. "\\n",
			} do
				local text = manifest_of { layers = luff.array { descriptor(layer, oci_layer, { digest = digest }) } }
				everywhere(text, one_of("invalid_name", "bad_format"))
			end
		end)

		it("with members of the wrong kind", function()
			for _, members in ipairs {
				{ layers = "x" }, { layers = {} }, { layers = luff.array { "x" } }, { layers = luff.array { luff.null } },
				{ config = luff.array {} }, { config = "x" }, { mediaType = 7 },
				{ layers = luff.array { descriptor(layer, ("x"):rep(300)) } },
				{ layers = luff.array { descriptor(layer, "text/plain\r\nX-Evil: 1") } },
			} do
				everywhere(manifest_of(members), "bad_format")
			end
		end)

		it("whose digest is not the one asked for", function()
			local digest = luff.digest(manifest_of())
			local server = registry { { "*", "/v2/app/manifests/" .. digest, body = manifest_of { annotations = { a = "b" } },
				headers = { ["Content-Type"] = oci_manifest } } }
			refused(server.address .. "/app@" .. digest, one_of("digest_mismatch", "size_mismatch"))
		end)

		it("whose digest is not the one that the server names", function()
			local server = registry { { "*", "/v2/app/manifests/v1", body = manifest_of { annotations = { a = "b" } },
				headers = { ["Content-Type"] = oci_manifest, ["Docker-Content-Digest"] = luff.digest(manifest_of()) } } }
			refused(server.address .. "/app:v1", one_of("digest_mismatch", "size_mismatch"))
		end)

		it("that is cut off", function()
			local text = manifest_of()
			local server = registry { { "GET", "/v2/app/manifests/.*", raw = answer("200 OK",
				{ "Content-Type: " .. oci_manifest, "Content-Length: " .. #text, "Connection: close" }, text:sub(1, 100)) } }
			refused(server.address .. "/app:v1", one_of("network", "bad_format", "size_mismatch"))
		end)

		it("that is cut off where nothing tells, even if its digest alone is wanted", function()
			for _, body in ipairs { '{"schemaVersion":2,"mediaType":"', "", "{}" } do
				local server = support.canned {
					{ "GET", "/v2/app/manifests/v1", raw = "HTTP/1.1 200 OK\r\nContent-Type: " .. oci_manifest
						.. "\r\nConnection: close\r\n\r\n" .. body },
				}
				assert.equal("bad_format", support.fails(luff.resolve, server.address .. "/app:v1").code)
			end
		end)

		it("that is longer than its Content-Length says", function()
			local text = manifest_of()
			local server = registry { { "GET", "/v2/app/manifests/.*", raw = answer("200 OK",
				{ "Content-Type: " .. oci_manifest, "Content-Length: 100", "Connection: close" }, text) } }
			refused(server.address .. "/app:v1", one_of("bad_format", "size_mismatch", "digest_mismatch"))
		end)
	end)

	it("stops at indexes that are nested without end", function()
		local source = support.scratch()
		local blob, name = support.layout(source)
		local entry = support.image_by_hand(blob, name, "image", {})
		for _ = 1, 20 do
			entry = blob(luff.json.encode { schemaVersion = 2, mediaType = oci_index, manifests = luff.array { entry } },
				oci_index)
		end
		name("v1", entry)
		refused("oci:" .. source .. ":v1", "too_large")
	end)

	it("does not grow with an index that names one index many times over", function()
		-- 16 levels of 100: a tree walked without memory would have 10^32 leaves.
		local source = support.scratch()
		local blob, name = support.layout(source)
		local entry = support.image_by_hand(blob, name, "image", {})
		for _ = 1, 14 do
			local entries = luff.array {}
			for i = 1, 100 do
				entries[i] = entry
			end
			entry = blob(luff.json.encode { schemaVersion = 2, mediaType = oci_index, manifests = entries }, oci_index)
		end
		name("v1", entry)
		local ok, err = luff.try(luff.copy, "oci:" .. source .. ":v1", "memory:wide:v1")
		assert.is_true(ok ~= nil or err.code == "too_large", err and err.message)
		ok, err = luff.try(luff.image, "oci:" .. source .. ":v1", { platform = "linux/s390x" })
		assert.is_nil(ok)
		assert.is_true(err.code == "too_large" or err.code == "not_found", err.message)
	end)

	describe("opening a layout", function()
		local source
		before_each(function()
			source = support.scratch() .. "/source"
			support.make_image("oci:" .. source .. ":v1", { layers = { 5000 } })
		end)

		local function layer_file()
			return source .. "/blobs/" .. luff.open("oci:" .. source .. ":v1"):layers()[1]:digest():gsub(":", "/")
		end

		it("waits for no pipe and reads no folder", function()
			local file = layer_file()
			for _, command in ipairs { "mkfifo", "mkdir", "ln -s /dev/zero", "ln -s /etc/passwd",
				"ln -s ../../../../../etc/passwd", "ln -s " .. file:match("[^/]+$") } do
				assert(os.execute(("rm -rf %s && %s %s"):format(file, command, file)))
				refused("oci:" .. source .. ":v1", one_of("bad_format", "io", "not_found"))
			end
		end)

		it("takes nothing for index.json but a file of at most 64 MiB", function()
			local file = source .. "/index.json"
			local text = support.read(file)
			support.write(file, text .. (" "):rep(65 << 20))
			refused("oci:" .. source .. ":v1", "too_large")
			for _, command in ipairs { "mkfifo", "ln -s /dev/zero" } do
				assert(os.execute(("rm -rf %s && %s %s"):format(file, command, file)))
				refused("oci:" .. source .. ":v1", one_of("bad_format", "io"))
			end
		end)

		it("refuses an index.json that is none", function()
			for _, text in ipairs { "", "{", "[]", "null", ("["):rep(100000), '{"schemaVersion":2}', '{"manifests":{}}',
				'{"schemaVersion":2,"manifests":[1]}', '{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1,'
				.. '"mediaType":"a/b","annotations":{"org.opencontainers.image.ref.name":"v1"}}]}' } do
				support.write(source .. "/index.json", text)
				refused("oci:" .. source .. ":v1", one_of("bad_format", "invalid_name", "not_found"))
				-- Nor is it overwritten.
				luff.try(luff.copy, "oci:" .. target .. ":v1", "oci:" .. source .. ":v2")
				if not text:find('"manifests":%[') and text ~= '{"schemaVersion":2}' then
					assert.equal(text, support.read(source .. "/index.json"))
				end
			end
		end)

		it("notices a blob that was changed, by size and by digest", function()
			local file = layer_file()
			local bytes = support.read(file)
			support.write(file, bytes:sub(1, -2) .. (bytes:sub(-1) == "a" and "b" or "a"))
			refused("oci:" .. source .. ":v1", "digest_mismatch")
			support.write(file, bytes .. "x")
			refused("oci:" .. source .. ":v1", one_of("size_mismatch", "digest_mismatch"))
			support.write(file, bytes:sub(1, -2))
			refused("oci:" .. source .. ":v1", one_of("size_mismatch", "bad_format"))
			support.write(file, "")
			refused("oci:" .. source .. ":v1", one_of("size_mismatch", "bad_format"))
		end)

		it("notices when reading a layer, too, in place of the end", function()
			local file = layer_file()
			local bytes = support.read(file)
			support.write(file, "x" .. bytes:sub(2))
			local reader = luff.open("oci:" .. source .. ":v1"):layers()[1]:compressed()
			local err = support.fails(function()
				while reader:read(512) do end
			end)
			assert.equal("digest_mismatch", err.code)
			err = support.fails(function()
				for _ in luff.open("oci:" .. source .. ":v1"):layers()[1]:uncompressed():lines() do end
			end)
			assert.equal("digest_mismatch", err.code)
		end)
	end)

	describe("uncompressing", function()
		it("refuses what is damaged or cut off", function()
			local tar = support.tar { ["etc/text"] = ("all work and no play\n"):rep(5000) }
			for _, tool in ipairs { "gzip", "zstd" } do
				local packed = support.packed(tar, tool).bytes
				local middle = #packed // 2
				for _, bytes in ipairs {
					packed:sub(1, -9), packed:sub(1, middle),
					packed:sub(1, middle) .. string.char(packed:byte(middle + 1) ~ 0xff) .. packed:sub(middle + 2),
				} do
					support.make_image("memory:packed:v1", {
						layers = { { bytes = bytes, media_type = oci_layer .. "+" .. tool } },
					})
					local reader = luff.image("memory:packed:v1", { platform = "linux/amd64" }):layers()[1]:uncompressed()
					local err = support.fails(reader.read, reader, "a")
					assert.is_true(one_of("bad_format", "digest_mismatch")[err.code], err.code)
				end
			end
		end)
	end)

	describe("on the network", function()
		-- luff with credentials for the server, as a program: they come from a file.
		local function with_credentials(server, argv)
			local dir = support.scratch()
			support.write(dir .. "/config.json", luff.json.encode { auths = {
				[server.address] = { auth = "dXNlcjpzM2NyZXQtcGFzcw==" }, -- user:s3cret-pass
			} })
			local result = support.luff({ "-v", table.unpack(argv) },
				{ env = { DOCKER_CONFIG = dir, REGISTRY_AUTH_FILE = false }, timeout = 30 })
			for _, text in ipairs { result.stdout, result.stderr } do
				assert.is_nil(text:find("s3cret", 1, true), text)
				assert.is_nil(text:find("dXNlcjpz", 1, true), text)
			end
			return result
		end

		local function assert_no_credentials(server)
			for _, request in ipairs(server.requests()) do
				assert.is_nil(request.head:lower():find("\nauthorization:", 1, true), request.head)
				assert.is_nil(request.head:find("s3cret-pass", 1, true), request.head)
				assert.is_nil(request.head:find("dXNlcjpz", 1, true), request.head)
			end
		end

		local basic = 'Basic realm="app"'
		local function guarded(lies)
			local rules = { table.unpack(lies or {}) }
			rules[#rules + 1] = { "*", "/v2/.*", when = "\\A(?!(?s:.*)^Authorization: Basic dXNlcjpzM2NyZXQtcGFzcw==)",
				status = 401, headers = { ["WWW-Authenticate"] = basic } }
			return rules
		end

		it("gives no credentials to the host of a redirect", function()
			local elsewhere = registry { { "GET", "/stored/.*", body = layer } }
			for _, host in ipairs { elsewhere.address, (elsewhere.address:gsub("127.0.0.1", "localhost")) } do
				local server = registry(guarded {
					{ "GET", "/v2/app/blobs/" .. luff.digest(layer), when = "^Authorization: Basic", status = 307,
						headers = { Location = "http://" .. host .. "/stored/layer?X-Amz-Signature=s3cret-signature" } },
				})
				local result = with_credentials(server, { "copy", server.address .. "/app:v1", "oci:" .. target .. ":v1" })
				assert.equal(0, result.code, result.stderr)
				assert.is_true(#elsewhere.requests() > 0)
				assert_no_credentials(elsewhere)
				os.execute("rm -rf " .. target)
			end
		end)

		it("gives none to that host when it asks for them, either", function()
			local elsewhere = support.canned { { "*", "/.*", status = 401, headers = { ["WWW-Authenticate"] = basic } } }
			local server = registry(guarded {
				{ "GET", "/v2/app/blobs/" .. luff.digest(layer), when = "^Authorization: Basic", status = 307,
					headers = { Location = "http://" .. elsewhere.address .. "/stored/layer" } },
			})
			local result = with_credentials(server, { "copy", server.address .. "/app:v1", "oci:" .. target .. ":v1" })
			assert.equal(4, result.code, result.stderr)
			assert.is_true(#elsewhere.requests() > 0)
			assert_no_credentials(elsewhere)
		end)

		it("uploads to no other host with the credentials of this one", function()
			local elsewhere = support.canned { { "*", "/.*", status = 201 } }
			local server = support.canned(guarded {
				{ "POST", "/v2/app/blobs/uploads/.*", when = "^Authorization: Basic", status = 202,
					headers = { Location = "http://" .. elsewhere.address .. "/v2/app/blobs/uploads/1" } },
				{ "HEAD", "/v2/app/.*", when = "^Authorization: Basic", status = 404 },
			})
			with_credentials(server, { "copy", "oci:" .. target .. ":v1", server.address .. "/app:v1" })
			assert_no_credentials(elsewhere)
		end)

		it("follows pages of tags to no other host with the credentials of this one", function()
			local elsewhere = support.canned { { "*", "/.*", body = '{"name":"app","tags":["evil"]}' } }
			local server = registry(guarded {
				{ "GET", "/v2/app/tags/list.*", when = "^Authorization: Basic", body = '{"name":"app","tags":["v1"]}',
					headers = { Link = "<http://" .. elsewhere.address .. '/v2/app/tags/list?last=v1>; rel="next"' } },
			})
			with_credentials(server, { "ls", server.address .. "/app" })
			assert_no_credentials(elsewhere)
		end)

		it("asks for no token where a realm must not lead", function()
			for _, realm in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/token", "gopher://127.0.0.1:1/x", "",
				"http://169.254.169.254/latest/meta-data", "http://0.0.0.0/token", "http://[::]/token", "javascript:1", "/token",
				"http://user:pass@127.0.0.1/token" } do
				local server = support.canned { { "*", "/v2/.*", status = 401, headers = {
					["WWW-Authenticate"] = ('Bearer realm="%s",service="s",scope="repository:app:pull"'):format(realm) } } }
				local result = with_credentials(server, { "digest", server.address .. "/app:v1" })
				assert.is_true(result.code ~= 0, realm)
				assert.is_nil((result.stdout .. result.stderr):find("root:", 1, true))
			end
		end)

		it("goes to no private place behind a proxy that is at one, either", function()
			local secret = support.canned { { "*", ".*", body = '{"token":"t0ken"}' } }
			local proxy = support.canned {
				{ "*", "http://registry\\.example/v2/app/.*", status = 401,
					headers = { ["WWW-Authenticate"] = ('Bearer realm="http://%s/token"'):format(secret.address) } },
				{ "*", "http://registry\\.example/v2/other/.*", status = 307,
					headers = { Location = ("http://%s/"):format(secret.address) } },
			}
			local dir = support.scratch()
			support.write(dir .. "/config.json", '{"auths":{"registry.example":{"username":"user","password":"pa55"}}}')
			for _, repository in ipairs { "app", "other" } do
				local result = support.luff({ "digest", "--plain-http", "registry.example/" .. repository .. ":v1" },
					{ env = { http_proxy = "http://" .. proxy.address, DOCKER_CONFIG = dir } })
				assert.equal(4, result.code, result.stderr)
				assert.truthy(result.stderr:find("private", 1, true), result.stderr)
			end
			assert.same({}, secret.requests())
		end)

		it("refuses tokens that are none", function()
			for _, body in ipairs { "", "{}", "[]", '{"token":7}', '{"token":""}', "token", '{"token":"a\\r\\nX-Evil: 1"}',
				'{"token":"a\\u0000b"}', '{"token":"' .. ("x"):rep(2000000) .. '"}', ("["):rep(50000) } do
				local server = support.canned {
					{ "GET", "/token.*", body = body, headers = { ["Content-Type"] = "application/json" } },
					{ "*", "/v2/.*", status = 401,
						headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
				}
				local result = support.luff { "digest", server.address .. "/app:v1" }
				assert.is_true(result.code ~= 0)
				for _, request in ipairs(server.requests()) do
					assert.is_nil(request.head:find("X%-Evil"))
				end
			end
		end)

		it("reports what a server says without its control characters, and not all of it", function()
			local server = support.canned { { "*", "/v2/.*", status = 403, headers = { ["Content-Type"] = "application/json" },
				body = luff.json.encode { errors = luff.array { { code = "DENIED",
					message = "no\27[2J\27]0;owned\7\r\nX: y " .. ("long "):rep(100000) } } } } }
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.equal("denied", err.code)
			assert.equal(403, err.status)
			assert.is_nil(err.message:find("%c"), err.message)
			assert.is_true(#err.message < 520)
		end)

		it("shows no signature of a redirect in a message", function()
			local elsewhere = support.canned { { "*", "/.*", status = 500 } }
			local server = registry { { "GET", "/v2/app/blobs/" .. luff.digest(layer), status = 307, headers = {
				Location = "http://" .. elsewhere.address .. "/stored/layer?X-Amz-Signature=s3cret-signature&sig=s3cret" } } }
			local err = refused(server.address .. "/app:v1", one_of("http", "network"))
			assert.is_nil(err.message:find("s3cret", 1, true), err.message)
			local result = support.luff { "-v", "copy", server.address .. "/app:v1", "oci:" .. target .. ":v1" }
			assert.is_nil(result.stderr:find("s3cret", 1, true), result.stderr)
		end)

		it("follows redirects to http and https alone, and not for ever", function()
			for _, location in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x",
				"dict://127.0.0.1/x", "" } do
				local server = registry { { "GET", "/v2/app/blobs/.*", status = 307, headers = { Location = location } } }
				refused(server.address .. "/app:v1", one_of("network", "http", "bad_format", "denied", "unsupported"))
			end
			local server = registry { { "GET", "/v2/app/blobs/.*", status = 307,
				headers = { Location = "http://{{address}}/v2/app/blobs/" .. luff.digest(layer) } } }
			refused(server.address .. "/app:v1", one_of("network", "http", "too_large"))
			assert.is_true(#server.requests() < 100, #server.requests())
		end)

		it("ends lists of tags that point to themselves", function()
			local server = registry { { "GET", "/v2/app/tags/list.*", body = '{"name":"app","tags":["v1"]}',
				headers = { Link = '</v2/app/tags/list?last=v1>; rel="next"' } } }
			support.fails(function()
				for _ in luff.tags(server.address .. "/app") do end
			end)
			assert.is_true(#server.requests() < 100, #server.requests())
		end)

		it("takes no tag from a list that cannot be one", function()
			local server = registry { { "GET", "/v2/app/tags/list.*",
				body = '{"name":"app","tags":["v1","../../x","a b","\\u001b[31m","-a",7,null,"' .. ("x"):rep(200) .. '"]}' } }
			local seen = {}
			luff.try(function()
				for tag in luff.tags(server.address .. "/app") do
					seen[#seen + 1] = tag
				end
			end)
			for _, tag in ipairs(seen) do
				assert.equal("v1", tag)
			end
		end)

		it("gives up on answers that are no HTTP, and on heads without end", function()
			for _, raw in ipairs { "", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0", "HTTP/1.1 999999 What\r\n\r\n",
				"HTTP/1.1 200 OK\r\n" .. ("X-Filler: " .. ("x"):rep(1000) .. "\r\n"):rep(3000) .. "\r\n",
				"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
				"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}" } do
				local server = support.canned { { "*", "/.*", raw = raw } }
				local err = support.fails(luff.open, server.address .. "/app:v1")
				assert.is_true(one_of("network", "http", "bad_format", "too_large")[err.code], err.code .. ": " .. err.message)
			end
		end)

		it("waits for no head that comes drop by drop", function()
			local server = support.start { "perl", "-MIO::Socket::INET", "-e", [[
				$| = 1; my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:0") or die;
				print "port ", $s->sockport, "\n";
				while (my $c = $s->accept) {
					next if fork;
					print $c "HTTP/1.1 200 OK\r\n";
					for my $i (1 .. 600) { print $c "X-$i: y\r\n" or last; $c->flush; select undef, undef, undef, 0.2 }
					exit;
				}]] }
			local port = support.eventually(function() return server:stdout():match "port (%d+)" end)
			local result = support.luff { "-e", ([[
				local luff, name = require "luff", "127.0.0.1:%d"
				luff.config { hosts = { [name] = { idle_timeout = 1 } } }
				luff.open(name .. "/app:v1")]]):format(port) }
			assert.equal(5, result.code, result.stderr)
			assert.truthy(result.stderr:find("not a byte for 1 s", 1, true), result.stderr)
		end)

		it("names the address where nobody listens", function()
			local port = support.free_port()
			local err = support.fails(luff.open, "127.0.0.1:" .. port .. "/app:v1")
			assert.equal("network", err.code)
			assert.truthy(err.message:find("127.0.0.1:" .. port, 1, true), err.message)
		end)
	end)
end)
