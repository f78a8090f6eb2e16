-- Not under the thread sanitizer.
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

local count = support.count

-- What was said, on both streams, has none of the secrets, as they are or in base64.
local function check_secrets(result, ...)
	for _, secret in ipairs { ... } do
		assert.is_nil((result.stdout .. result.stderr):find(secret, 1, true), result.stderr)
	end
end

-- A credential helper named NAME, as the first on the PATH of opts: a shell script that finds its verb in $1, its input in
-- $input, and notes both in the file that is returned.
local function make_helper(opts, name, script)
	local dir = support.scratch()
	local notes = dir .. "/notes"
	local path = support.write(dir .. "/docker-credential-" .. name, ([[
#!/bin/sh
input=$(cat)
printf '%%s %%s\n' "$1" "$input" >> %s
%s
]]):format(support.quote(notes), script))
	support.must { "chmod", "+x", path }
	opts.env.PATH = dir .. ":" .. (opts.env.PATH or os.getenv "PATH")
	return function()
		return support.exists(notes) and support.read(notes) or ""
	end
end

local function helper_of(server, user, secret)
	return ([[printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}']]):format(server.address, user, secret)
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

describe("A credential helper", function()
	local server, name
	before_each(function()
		server = support.canned {
			manifest_rule("/v2/.*/manifests/v1", "Basic " .. base64 "me:from-helper"), wants_basic(),
		}
		name = server.address .. "/app:v1"
	end)

	it("of the host, or else of all, gives the login", function()
		for _, document in ipairs {
			{ credsStore = "specs" },
			{ credHelpers = { [server.address] = "specs" }, credsStore = "wrong" },
			{ credsStore = "specs", auths = { [server.address] = {} } },
			{ credsStore = "specs", auths = { [server.address] = { auth = base64 "me:from-file" } } },
		} do
			local _, opts = home_of(document)
			local notes = make_helper(opts, "specs", helper_of(server, "me", "from-helper"))
			local result = support.luff({ "-v", "manifest", name }, opts)
			assert.equal(0, result.code, result.stderr)
			assert.equal("get " .. server.address .. "\n", notes())
			check_secrets(result, "from-helper", base64 "me:from-helper")
		end
	end)

	it("is asked once for a host, whoever wants to know", function()
		local _, opts = home_of { credsStore = "specs" }
		local notes = make_helper(opts, "specs", "sleep 0.2; " .. helper_of(server, "me", "from-helper"))
		local result = support.luff({ "-e", ([[
			local names = {}
			for i = 1, 20 do
				names[i] = "%s/app" .. i .. ":v1"
			end
			luff.map(names, { jobs = 10 }, function(each) luff.open(each) end)
		]]):format(server.address) }, opts)
		assert.equal(0, result.code, result.stderr)
		assert.equal("get " .. server.address .. "\n", notes())
	end)

	it("that knows nothing leaves the others to answer", function()
		for _, script in ipairs {
			"echo credentials not found in native keychain; exit 1", "echo '{}'",
			"echo Error: credentials not found >&2; echo credentials not found in native keychain; exit 1",
		} do
			local _, opts = home_of { credsStore = "specs", auths = { [server.address] = { auth = base64 "me:from-helper" } } }
			local notes = make_helper(opts, "specs", script)
			local result = support.luff({ "-e", ("for i = 1, 3 do luff.open('%s/app' .. i .. ':v1') end"):format(
				server.address) }, opts)
			assert.equal(0, result.code, result.stderr)
			assert.equal("get " .. server.address .. "\n", notes())
		end
		local _, opts = home_of { credsStore = "specs" }
		make_helper(opts, "specs", "echo credentials not found in native keychain; exit 1")
		local result = support.luff({ "manifest", name }, opts)
		assert.equal(4, result.code)
		assert.truthy(result.stderr:find("wants a user and a password", 1, true), result.stderr)
	end)

	it("that fails is named with its own words", function()
		local _, opts = home_of { credsStore = "specs" }
		make_helper(opts, "specs", "printf 'the store is \\033[31mlocked\\nand more'; exit 3")
		local result = support.luff({ "manifest", name }, opts)
		assert.equal(4, result.code)
		local said = "config.json: docker-credential-specs get fails (exit code 3): the store is ?[31mlocked\n"
		assert.truthy(result.stderr:find(said, 1, true), result.stderr)
	end)

	it("that fails with a secret on its lips is not quoted", function()
		local _, opts = home_of { credsStore = "specs" }
		for _, script in ipairs {
			helper_of(server, "me", "hush-hush") .. "; exit 1",
			[[printf '"Username":"me"\n"Secret":"hush-hush"'; exit 1]],
			[[printf '{"Username":"me","Secret":"hush-hush"']], [[printf '{"Secret":"hush-hush","Secret":"hush-hush"}']],
		} do
			make_helper(opts, "specs", script)
			local result = support.luff({ "-v", "manifest", name }, opts)
			assert.is_true(result.code == 4 or result.code == 6)
			assert.truthy(result.stderr:find("docker-credential-specs", 1, true), result.stderr)
			check_secrets(result, "hush-hush")
		end
	end)

	it("that is missing is named, with the file that wants it", function()
		local _, opts = home_of { credHelpers = { [server.address] = "luff-missing" } }
		local result = support.luff({ "manifest", name }, opts)
		assert.equal(4, result.code)
		local said = "config.json: docker-credential-luff-missing is not on PATH"
		assert.truthy(result.stderr:find(said, 1, true), result.stderr)
	end)

	it("has a name that leads nowhere else", function()
		for _, helper in ipairs { "../evil", "a/b", "/bin/sh", "a b", "a;b", "$(id)", "ä", ("x"):rep(65) } do
			local _, opts = home_of { credsStore = helper }
			local result = support.luff({ "manifest", name }, opts)
			assert.equal(2, result.code, helper)
			assert.truthy(result.stderr:find("no name of a credential helper", 1, true), result.stderr)
		end
	end)

	it("that prints without end is stopped", function()
		local _, opts = home_of { credsStore = "specs" }
		make_helper(opts, "specs", "head -c 10000000 /dev/zero")
		local result = support.luff({ "manifest", name }, opts)
		assert.equal(6, result.code)
		assert.truthy(result.stderr:find("docker-credential-specs: prints more than 65536 bytes", 1, true), result.stderr)
	end)

	it("that hangs ends with who is interrupted", function()
		local _, opts = home_of { credsStore = "specs" }
		local pid_file = support.scratch() .. "/pid"
		make_helper(opts, "specs", ("echo $$ > %s; sleep 600"):format(pid_file))
		local program = support.start({ support.program, "manifest", name }, opts)
		local pid = support.eventually(function()
			return support.exists(pid_file) and support.read(pid_file):match "^%d+"
		end)
		program:kill "INT"
		assert.equal(130, program:wait())
		support.eventually(function()
			return not support.exists("/proc/" .. pid .. "/stat")
		end, 5)
	end)
end)

describe("An identity token", function()
	-- rules of the token server come first
	local function serve(...)
		local rules = { ... }
		rules[#rules + 1] = manifest_rule("/v2/.*/manifests/v1", "Bearer access-1")
		rules[#rules + 1] = wants_bearer()
		return support.canned(rules)
	end
	local gives = { "POST", "/token", body = '{"access_token":"access-1","expires_in":300}' }

	local function read_form(text)
		local form = {}
		for name, value in text:gmatch "([^&=]+)=([^&]*)" do
			assert.is_nil(form[name])
			form[name] = value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
		end
		return form
	end

	it("is exchanged for an access token, in a form", function()
		local server = serve(gives)
		local _, opts = home_of { auths = { [server.address] = { identitytoken = "id+t0ken/&=%" } } }
		local result = support.luff({ "-v", "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(0, result.code, result.stderr)
		check_secrets(result, "id+t0ken", "access-1")
		for _, request in ipairs(server.requests()) do
			if request.path:find "^/token" then
				assert.equal("/token", request.path)
				assert.is_nil(request.head:find("Authorization", 1, true))
				assert.same({ grant_type = "refresh_token", service = "specs", client_id = "luff",
					scope = "repository:app:pull", refresh_token = "id+t0ken/&=%" }, read_form(request.form))
			end
		end
		assert.equal(1, count(server, "POST", "^/token$"))
	end)

	it("may come from a helper", function()
		local server = serve(gives)
		local _, opts = home_of { credsStore = "specs" }
		make_helper(opts, "specs", helper_of(server, "<token>", "id-t0ken"))
		local result = support.luff({ "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(0, result.code, result.stderr)
	end)

	it("gives way to the older protocol where the server knows no other", function()
		for status, login in pairs { [404] = {}, [405] = { auth = base64 "me:pass" }, [401] = { auth = base64 "me:pass" } } do
			local server = serve({ "POST", "/token", status = status },
				{ "GET", "/token\\?.*", body = '{"token":"access-1"}',
					when = login.auth and "^Authorization: Basic " .. login.auth or nil })
			login.identitytoken = "id-t0ken"
			local _, opts = home_of { auths = { [server.address] = login } }
			local result = support.luff({ "manifest", server.address .. "/app:v1" }, opts)
			assert.equal(0, result.code, result.stderr)
		end
	end)

	it("that is refused says so", function()
		local server = serve({ "POST", "/token", status = 401, body = '{"error":"invalid_grant"}' })
		local _, opts = home_of { auths = { [server.address] = { identitytoken = "id-t0ken" } } }
		local result = support.luff({ "-v", "manifest", server.address .. "/app:v1" }, opts)
		assert.equal(4, result.code)
		assert.truthy(result.stderr:find("the token server refuses the identity token", 1, true), result.stderr)
		check_secrets(result, "id-t0ken")
		assert.equal(0, count(server, "GET", "^/token"))
	end)
end)

describe("A token", function()
	local function token_rule(n, extra)
		return { "GET", "/token\\?.*" .. (extra.of or "") .. ".*", once = true, body = luff.json.encode {
			token = "t-" .. n, expires_in = extra.expires_in, issued_at = extra.issued_at,
		} }
	end

	it("that the server had for a while lives as long as is left", function()
		local servers = {}
		for expected, extra in ipairs { { expires_in = 60 }, { expires_in = 60 } } do
			extra.issued_at = expected == 2 and os.date("!%Y-%m-%dT%H:%M:%S.123Z", os.time() - 57) or nil
			servers[expected] = support.canned {
				token_rule(1, extra), token_rule(2, extra), manifest_rule("/v2/app/manifests/v1", "Bearer t-[12]"),
				wants_bearer(),
			}
			luff.open(servers[expected].address .. "/app:v1")
		end
		support.sleep(3.1)
		for expected, server in ipairs(servers) do
			luff.open(server.address .. "/app:v1")
			assert.equal(expected, count(server, "GET", "^/token"))
		end
	end)

	-- A registry where only the uploads of blobs take tokens of their own: t-1, then t-2.
	local function serve_uploads(first_lives, put_wants)
		local any = "^Authorization: Bearer t-"
		return support.canned {
			token_rule(1, { of = "push", expires_in = first_lives }), token_rule(2, { of = "push", expires_in = 300 }),
			{ "GET", "/token\\?.*", body = '{"token":"t-0"}' },
			{ "HEAD", "/v2/app/blobs/.*", status = 404, when = any },
			{ "POST", "/v2/app/blobs/uploads/", status = 202, headers = { Location = "/v2/app/upload" }, when = any },
			{ "PUT", "/v2/app/upload\\?.*", status = 201, when = put_wants },
			{ "GET", "/v2/app/upload", status = 204, when = any },
			{ "DELETE", "/v2/app/upload", status = 204, when = any },
			wants_bearer(),
		}
	end

	it("that ends soon is renewed before a body, not before anything else", function()
		local server = serve_uploads(12, "^Authorization: Bearer t-")
		luff.push_blob(server.address .. "/app", "one")
		support.sleep(5.6) -- of 10.8 that count, the last 5.4 are not enough for a body
		luff.push_blob(server.address .. "/app", "two")
		local tokens = {}
		for _, request in ipairs(server.requests()) do
			if request.method == "PUT" or request.method == "POST" then
				tokens[#tokens + 1] = request.head:match "Bearer (%S+)"
			end
		end
		table.remove(tokens, 1) -- the first POST may have asked with the right to read alone
		assert.same({ "t-1", "t-1", "t-2" }, { table.unpack(tokens, #tokens - 2) })
	end)

	it("that ended under an upload is replaced, and the upload goes on", function()
		local server = serve_uploads(300, "^Authorization: Bearer t-2")
		luff.push_blob(server.address .. "/app", "one")
		assert.equal(2, count(server, "PUT", "/upload"))
		assert.equal(0, count(server, "DELETE", "/upload"))
		assert.equal(2, count(server, "GET", "^/token.*push"))
	end)
end)

describe("luff login", function()
	local function open_server()
		return support.canned {
			{ "GET", "/v2/", when = "^Authorization: Basic " .. base64 "me:pa:ss" .. "\\r?$", body = "{}" },
			manifest_rule("/v2/.*/manifests/v1", "Basic " .. base64 "me:pa:ss"), wants_basic(),
		}
	end

	local function login(server, opts, password)
		opts.stdin = (password or "pa:ss") .. "\n"
		return support.luff({ "-v", "login", "-u", "me", "--password-stdin", server.address }, opts)
	end

	it("keeps what a real registry takes, where others find it", function()
		local docker = support.docker_registry { htpasswd = { me = "pa:ss" } } or pending "docker-registry is not installed"
		local dir, opts = home_of {}
		local result = login(docker, opts)
		assert.equal(0, result.code, result.stderr)
		assert.equal("logged in to " .. docker.address .. "\n", result.stdout)
		check_secrets(result, "pa:ss", base64 "me:pa:ss")
		assert.same({ auths = { [docker.address] = { auth = base64 "me:pa:ss" } } },
			luff.json.decode(support.read(dir .. "/config.json")))
		assert.equal("600", support.sh("stat -c %a " .. dir .. "/config.json"))
		assert.equal("config.json", support.sh("ls -A " .. dir))
		local source = "oci:" .. support.scratch() .. ":v1"
		support.make_image(source)
		assert.equal(0, support.luff({ "copy", source, docker.address .. "/app:v1" }, opts).code)
		if support.peer "skopeo" then
			support.must({ "skopeo", "inspect", "--tls-verify=false", "docker://" .. docker.address .. "/app:v1" }, opts)
		end
		result = support.luff({ "logout", docker.address }, opts)
		assert.equal("logged out of " .. docker.address .. "\n", result.stdout, result.stderr)
		assert.equal(4, support.luff({ "digest", docker.address .. "/app:v1" }, opts).code)
	end)

	it("changes nothing where the registry refuses", function()
		for _, extra in ipairs { wants_basic(), wants_bearer() } do
			local server = support.canned { { "GET", "/token\\?.*", status = 401 }, extra }
			local dir, opts = home_of { auths = { [server.address] = { auth = base64 "old:login" } } }
			local before = support.checksums(dir)
			local result = login(server, opts, "wr0ng")
			assert.equal(4, result.code)
			assert.truthy(result.stderr:find("refuses", 1, true), result.stderr)
			check_secrets(result, "wr0ng", base64 "me:wr0ng")
			assert.equal(before, support.checksums(dir))
		end
	end)

	it("keeps what else is in the file, in its order", function()
		local server = open_server()
		local dir, opts = home_of {}
		support.must { "mkdir", dir .. "/real" }
		local text = [[
{
	"psFormat": "table {{.ID}}:\\t{{.Image}}",
	"auths": {
		"z.example": {
			"auth": "eDp5"
		},
		"http://%s/v2/": {
			"auth": "eDp5"
		},
		"%s": {
			"auth": "eDp5"
		},
		"a.example/team": {
			"auth": "eDp5"
		}
	},
	"HttpHeaders": {
		"X-Meta": "ä"
	},
	"aaa": 12345678901
}]]
		support.write(dir .. "/real/config.json", text:format(server.address, server.address))
		support.must { "ln", "-sf", "real/config.json", dir .. "/config.json" }
		local result = login(server, opts)
		assert.equal(0, result.code, result.stderr)
		local expected = text:gsub('\t\t"http://%%s/v2/": {.-},\n', ""):gsub('("%%s": {\n\t\t\t"auth": )"eDp5"',
			"%1\"" .. base64 "me:pa:ss" .. "\"")
		assert.equal(expected:format(server.address), support.read(dir .. "/real/config.json"))
		assert.equal("real/config.json", support.sh("readlink " .. dir .. "/config.json"))
		assert.equal("config.json", support.sh("ls -A " .. dir .. "/real"))
	end)

	it("hands over to the helper that the file names", function()
		local server = open_server()
		local dir, opts = home_of { credHelpers = { [server.address] = "specs" } }
		local notes = make_helper(opts, "specs", [[
case $1 in
store) printf '%s' "$input" > "$HOME/kept" ;;
get) cat "$HOME/kept" || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm "$HOME/kept" ;;
esac]])
		local result = login(server, opts)
		assert.equal(0, result.code, result.stderr)
		assert.same({ ServerURL = server.address, Username = "me", Secret = "pa:ss" },
			luff.json.decode(notes():match "^store ([^\n]*)\n"))
		assert.same({ [server.address] = {} }, luff.json.decode(support.read(dir .. "/config.json")).auths)
		assert.equal(0, support.luff({ "manifest", server.address .. "/app:v1" }, opts).code)
		assert.equal(0, support.luff({ "logout", server.address }, opts).code)
		assert.truthy(notes():find("\nerase " .. server.address .. "\n$"))
		assert.same({}, luff.json.decode(support.read(dir .. "/config.json")).auths)
		assert.equal(4, support.luff({ "manifest", server.address .. "/app:v1" }, opts).code)
		make_helper(opts, "specs", "echo the vault is sealed; exit 1")
		result = login(server, opts)
		assert.equal(4, result.code)
		assert.truthy(result.stderr:find("docker-credential-specs store fails (exit code 1): the vault is sealed", 1, true),
			result.stderr)
		check_secrets(result, "pa:ss")
	end)

	it("says so where another login comes first", function()
		local server = open_server()
		local dir, opts = home_of {}
		assert.is_nil(login(server, opts).stderr:find("comes before", 1, true))
		support.must { "mkdir", dir .. "/containers" }
		support.write(dir .. "/containers/auth.json",
			luff.json.encode { auths = { [server.address] = { auth = base64 "me:other" } } })
		local result = login(server, opts)
		assert.equal(0, result.code)
		assert.truthy(result.stderr:find("another login for " .. server.address .. " comes before this one", 1, true),
			result.stderr)
		check_secrets(result, "pa:ss", "other\n")
	end)

	it("counts at once in the script that logs in", function()
		local server = open_server()
		local dir, opts = home_of { auths = { [server.address] = { auth = base64 "me:old" } } }
		local result = support.luff({ "-e", ([[
			local registry = "%s"
			assert(luff.auth(registry).password == "old")
			assert(not luff.try(luff.open, registry .. "/app:v1"))
			luff.login { registry = "http://" .. registry .. "/v2/", user = "me", password = "pa:ss" }
			assert(luff.auth(registry .. "/app").password == "pa:ss")
			luff.open(registry .. "/app:v1")
			assert(luff.logout { registry = registry } and not luff.logout { registry = registry })
			assert(not luff.auth(registry))
			assert(not luff.try(luff.open, registry .. "/app:v1"))
		]]):format(server.address) }, opts)
		assert.equal(0, result.code, result.stderr)
		assert.same({}, luff.json.decode(support.read(dir .. "/config.json")).auths)
	end)

	it("asks on the terminal, where nobody sees the password", function()
		local script = support.peer "script" or pending "script is not installed"
		local server = open_server()
		local _, opts = home_of {}
		local line = support.quote(support.program) .. " login " .. server.address
		local typed = "(sleep 0.5; echo me; sleep 0.5; echo pa:ss; sleep 0.5) | %s -qec %s /dev/null"
		local result = support.run({ "sh", "-c", typed:format(script, support.quote(line)) }, opts)
		assert.truthy(result.stdout:find("password of me:", 1, true), result.stdout)
		assert.truthy(result.stdout:find("logged in to " .. server.address, 1, true), result.stdout)
		check_secrets(result, "pa:ss")
	end)

	it("says what is missing or too much", function()
		local server = open_server()
		for line, message in pairs {
			["login --password-stdin h.example"] = "--password-stdin wants --user",
			["login -u me -p x --password-stdin h.example"] = "one too many",
			["login h.example"] = "no terminal to ask for a user",
			["login -u me -p x team"] = '"team" is no registry',
			["login -u me -p x h.example/app/../x y"] = "too many arguments",
			["login -u a:b -p x h.example"] = "no colon",
			["login -u me --password= h.example"] = "a user and a password",
			["logout --all h.example"] = "no registry to name",
			["auth put h.example"] = 'unknown "put"',
		} do
			local words = {}
			for word in line:gmatch "%S+" do
				words[#words + 1] = word
			end
			local result = support.luff(words, { env = select(2, home_of {}).env })
			assert.equal(2, result.code, line .. "\n" .. result.stderr)
			assert.truthy(result.stderr:find(message, 1, true), result.stderr)
		end
		local _, opts = home_of {}
		local result = support.luff({ "login", "-u", "me", "-p", "pa:ss", server.address }, opts)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stderr:find("others can see a password on the command line", 1, true), result.stderr)
	end)

	it("leaves a file alone that it does not understand", function()
		local server = open_server()
		for _, text in ipairs { "{", "[]", '{"auths":[]}', '{"a":1,"a":2}' } do
			local dir, opts = home_of {}
			support.write(dir .. "/config.json", text)
			for _, result in ipairs { login(server, opts), support.luff({ "logout", server.address }, opts) } do
				assert.equal(6, result.code)
				assert.truthy(result.stderr:find(dir .. "/config.json", 1, true), result.stderr)
			end
			assert.equal(text, support.read(dir .. "/config.json"))
		end
	end)
end)

describe("luff logout", function()
	local all = { auths = {
		["https://index.docker.io/v1/"] = { auth = base64 "a:b" }, ["docker.io"] = { auth = base64 "a:b" },
		["h.example"] = { auth = base64 "a:b" }, ["h.example/team"] = { auth = base64 "a:b" },
	} }

	it("knows Docker Hub by all its names", function()
		local dir, opts = home_of(all)
		assert.equal("logged out of docker.io\n", support.luff({ "logout" }, opts).stdout)
		local left = luff.json.decode(support.read(dir .. "/config.json"))
		assert.same({ ["h.example"] = all.auths["h.example"], ["h.example/team"] = all.auths["h.example/team"] }, left.auths)
		local result = support.luff({ "logout" }, opts)
		assert.same({ code = 0, stdout = "", stderr = "luff: there was no login for docker.io\n" }, result)
	end)

	it("of all leaves none, in helpers neither", function()
		local dir, opts = home_of { auths = all.auths, credHelpers = { ["k.example"] = "specs" } }
		local notes = make_helper(opts, "specs", [[printf '{"Username":"u","Secret":"s"}']])
		assert.equal("logged out of all registries\n", support.luff({ "logout", "--all" }, opts).stdout)
		local left = luff.json.decode(support.read(dir .. "/config.json"))
		assert.same({ auths = {}, credHelpers = { ["k.example"] = "specs" } }, left)
		assert.equal("get k.example\nerase k.example\n", notes())
	end)
end)

describe("luff auth get", function()
	it("prints what credential helpers print", function()
		local _, opts = home_of { auths = {
			["h.example"] = { auth = base64 "me:host" }, ["h.example/team"] = { auth = base64 "me:team" },
			["t.example"] = { identitytoken = "id" }, ["https://index.docker.io/v1/"] = { auth = base64 "me:hub" },
		} }
		for name, expected in pairs {
			["h.example"] = { Username = "me", Secret = "host" },
			["h.example/team/app"] = { Username = "me", Secret = "team" },
			["h.example/teams"] = { Username = "me", Secret = "host" },
			["t.example"] = { Username = "<token>", Secret = "id" },
			["docker.io"] = { Username = "me", Secret = "hub" },
			["https://index.docker.io/v1/"] = { Username = "me", Secret = "hub" },
		} do
			local result = support.luff({ "auth", "get", name }, opts)
			assert.same(expected, luff.json.decode(result.stdout), result.stderr)
			assert.equal(result.stdout, support.luff({ "auth", "get", "--json", name }, opts).stdout)
		end
		local result = support.luff({ "auth", "get", "nobody.example" }, opts)
		assert.equal(3, result.code)
		assert.equal("luff: nobody.example: there is no login for it; try: luff login nobody.example\n", result.stderr)
	end)
end)
