-- Who luff is to a registry: files of logins, in the order in which they are asked, and what becomes of them on the wire.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local manifest = luff.json.encode {
	schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
	config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest "{}", size = 2 },
}

local function base64(text)
	return (support.must({ "base64", "-w0" }, { stdin = text }))
end

-- A folder with a config.json (or another file), and the environment in which it is the only one.
local function home_of(document, file)
	local dir = support.scratch()
	support.write(dir .. "/" .. (file or "config.json"), luff.json.encode(document))
	return dir, { env = {
		HOME = dir, DOCKER_CONFIG = dir, DOCKER_AUTH_CONFIG = false, REGISTRY_AUTH_FILE = false, XDG_RUNTIME_DIR = dir,
		XDG_CONFIG_HOME = dir,
	} }
end

-- The rule of a manifest that is given to whoever sends that Authorization.
local function manifest_rule(path, authorization)
	return { "GET", path, body = manifest, headers = { ["Content-Type"] = oci_manifest },
		when = authorization and "^Authorization: " .. authorization:gsub("%+", "\\+") .. "\\r?$" }
end

local function wants_basic()
	return { "*", "/v2/.*", status = 401, headers = { ["WWW-Authenticate"] = 'Basic realm="specs"' } }
end

local function wants_bearer()
	return { "*", "/v2/.*", status = 401,
		headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="specs"' } }
end

local function count(server, method, pattern)
	local n = 0
	for _, request in ipairs(server.requests()) do
		n = n + (request.method == method and request.path:find(pattern) and 1 or 0)
	end
	return n
end

-- What was said, on both streams, has none of the secrets, as they are or in base64.
local function check_secrets(result, ...)
	for _, secret in ipairs { ... } do
		assert.is_nil((result.stdout .. result.stderr):find(secret, 1, true), result.stderr)
	end
end

describe("A login", function()
	describe("of a namespace", function()
		local server, opts
		before_each(function()
			server = support.canned {
				manifest_rule("/v2/team/app/manifests/v1", "Basic " .. base64 "app:p1"),
				manifest_rule("/v2/team/other/manifests/v1", "Basic " .. base64 "team:p2"),
				manifest_rule("/v2/tea/manifests/v1", "Basic " .. base64 "host:p3"),
				wants_basic(),
			}
			local _
			_, opts = home_of { auths = {
				[server.address] = { auth = base64 "host:p3" },
				[server.address .. "/team"] = { auth = base64 "team:p2" },
				[server.address .. "/team/app"] = { auth = base64 "app:p1" },
			} }
		end)

		it("is sent for what is in it, the longest first", function()
			for _, name in ipairs { "team/app", "team/other", "tea" } do
				local result = support.luff({ "manifest", server.address .. "/" .. name .. ":v1" }, opts)
				assert.equal(0, result.code, result.stderr)
			end
		end)

		it("stays apart from the others of one process", function()
			local script = ([[
				for _, name in ipairs { "team/app", "tea", "team/other", "team/app" } do
					luff.open("%s/" .. name .. ":v1")
				end
			]]):format(server.address)
			local result = support.luff({ "-e", script }, opts)
			assert.equal(0, result.code, result.stderr)
			assert.equal(1, count(server, "GET", "/tea/")) -- the 401 of another told that Basic is wanted
		end)
	end)

	it("of podman comes before that of docker", function()
		local server = support.canned { manifest_rule("/v2/app/manifests/v1", "Basic " .. base64 "podman:p1"), wants_basic() }
		local dir, opts = home_of { auths = { [server.address] = { auth = base64 "docker:p2" } } }
		local name = server.address .. "/app:v1"
		assert.equal(4, support.luff({ "manifest", name }, opts).code)
		support.must { "mkdir", dir .. "/containers" }
		support.write(dir .. "/containers/auth.json",
			luff.json.encode { auths = { [server.address] = { auth = base64 "podman:p1" } } })
		local result = support.luff({ "manifest", name }, opts)
		assert.equal(0, result.code, result.stderr)
		-- A file that is named stands for all of podman's.
		opts.env.REGISTRY_AUTH_FILE = dir .. "/nowhere.json"
		assert.equal(4, support.luff({ "manifest", name }, opts).code)
		opts.env.REGISTRY_AUTH_FILE = dir .. "/containers/auth.json"
		assert.equal(0, support.luff({ "manifest", name }, opts).code)
	end)

	it("may stand in the environment", function()
		local server = support.canned { manifest_rule("/v2/app/manifests/v1", "Basic " .. base64 "ci:s3cret"), wants_basic() }
		local _, opts = home_of {}
		opts.env.DOCKER_AUTH_CONFIG = luff.json.encode { auths = { [server.address] = { auth = base64 "ci:s3cret" } } }
		local result = support.luff({ "-v", "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(0, result.code, result.stderr)
		check_secrets(result, "s3cret", base64 "ci:s3cret")
		opts.env.DOCKER_AUTH_CONFIG = '{"auths":{"s3cret'
		result = support.luff({ "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(6, result.code)
		assert.truthy(result.stderr:find("$DOCKER_AUTH_CONFIG", 1, true), result.stderr)
		check_secrets(result, "s3cret")
	end)

	it("that skopeo keeps is luff's too", function()
		local docker = support.peer "skopeo" and support.docker_registry { htpasswd = { me = "pass" } }
			or pending "skopeo or docker-registry is not installed"
		local dir, opts = home_of {}
		support.must({ "skopeo", "login", "--authfile", dir .. "/auth.json", "--tls-verify=false", "-u", "me",
			"--password-stdin", docker.address }, { stdin = "pass" })
		opts.env.REGISTRY_AUTH_FILE = dir .. "/auth.json"
		local source = "oci:" .. support.scratch() .. ":v1"
		support.make_image(source)
		local result = support.luff({ "copy", source, docker.address .. "/app:v1" }, opts)
		assert.equal(0, result.code, result.stderr)
	end)

	it("by a registry's own token goes to the registry as it is", function()
		local server = support.canned { manifest_rule("/v2/app/manifests/v1", "Bearer own-t0ken"), wants_bearer() }
		local _, opts = home_of { auths = { [server.address] = { registrytoken = "own-t0ken" } } }
		local result = support.luff({ "-v", "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(0, result.code, result.stderr)
		assert.equal(0, count(server, "GET", "^/token"))
		check_secrets(result, "own-t0ken")
	end)
end)
