-- Not under the thread sanitizer.
-- containers-storage: what podman and skopeo keep, as skopeo writes it, and made by hand with what nobody should.
local luff = require "luff"
local support = require "spec.support"

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
	local text = bytes:gsub("..?.?", function(three)
		local a, b, c = three:byte(1, 3)
		local n, coded = a << 16 | (b or 0) << 8 | (c or 0), ""
		for i = 3, 0, -1 do
			local digit = (n >> 6 * i & 63) + 1
			coded = coded .. digits:sub(digit, digit)
		end
		return coded:sub(1, #three + 1) .. ("="):rep(3 - #three)
	end)
	return text
end

describe("containers-storage:", function()
	describe("as skopeo writes it", function()
		local skopeo = support.peers("skopeo")[1]
		local source, stores = nil, {}

		-- A layer with all that is hard on whoever takes a tar apart.
		local function rich()
			local dir = support.scratch()
			support.must { "sh", "-ec", [[
				cd "$1"
				mkdir -p etc deep/$(printf 'long%.0s' $(seq 40))/$(printf 'long%.0s' $(seq 40)) empty
				echo value > etc/name && ln etc/name etc/hard && ln -s name etc/soft && ln -s /etc/name etc/absolute
				: > etc/nothing && head -c 100000 /dev/urandom > etc/large && chmod 4755 etc/large
				echo far > deep/$(printf 'long%.0s' $(seq 40))/$(printf 'long%.0s' $(seq 40))/file
				printf bytes > "$(printf 'etc/\377name')" && mkfifo etc/pipe && echo '"' > 'etc/"quoted" \ name'
				tar --format=pax -cf "$2" . ]], "sh", dir, dir .. ".tar" }
			return support.read(dir .. ".tar")
		end

		setup(function()
			if not skopeo then
				return
			end
			local dir = support.scratch()
			source = "oci:" .. dir .. "/from"
			local top = support.tar { ["etc/.wh.name"] = "", ["etc/new"] = "new\n", ["other/file"] = "x" }
			support.make_image(source .. ":packed", { layers = { support.packed(rich(), "gzip"), top, 5000 } })
			support.make_image(source .. ":plain", { layers = { top, 3000 } })
			-- what skopeo mounts on itself, each time
			support.defer(function()
				os.execute(("while umount -l %s/overlay/overlay 2>/dev/null; do :; done"):format(dir))
			end)
			for _, driver in ipairs { "vfs", "overlay" } do
				local root = ("[%s@%s/%s+%s/run]"):format(driver, dir, driver, dir)
				local ok = true
				for tag, name in pairs { packed = "docker.io/library/app:packed", plain = "localhost/app:plain" } do
					local done = support.run { skopeo, "--insecure-policy", "copy", "-q", source .. ":" .. tag,
						"containers-storage:" .. root .. name }
					ok = ok and done.code == 0
				end
				stores[driver] = ok and root or nil
			end
		end)

		for _, driver in ipairs { "vfs", "overlay" } do
			it("with the driver " .. driver .. " gives images as they came", function()
				if not stores[driver] then
					pending("skopeo is not installed, or cannot write with the driver " .. driver)
				end
				local place = "containers-storage:" .. stores[driver]
				assert.same({ "docker.io/library/app:packed", "localhost/app:plain" }, support.tags(place))
				for tag, names in pairs { packed = { "app:packed", "docker.io/library/app:packed" },
					plain = { "localhost/app:plain", "app:plain" } } do
					local original = luff.open(source .. ":" .. tag)
					for _, name in ipairs(names) do
						local image = luff.open(place .. name)
						assert.equal(original:raw_config_file(), image:raw_config_file())
						for i, layer in ipairs(image:layers()) do
							assert.equal(original:layers()[i]:diff_id(), layer:digest())
							assert.equal(layer:digest(), luff.digest(layer:compressed():read "a"))
						end
						assert.equal(image, luff.open(place .. "@" .. image:digest()))
						assert.equal(image, luff.open(place .. "@" .. image:config_name():sub(8, 20)))
						local layer = image:layers()[1]
						assert.equal(layer:size(), select(2, luff.blob(place .. "@" .. layer:digest())))
					end
				end
				local image = luff.open(place .. "app:packed")
				assert.equal("far\n", image:read("/deep/" .. ("long"):rep(40) .. "/" .. ("long"):rep(40) .. "/file"))
				assert.equal("new\n", image:read "/etc/new")
				assert.is_nil(luff.try(image.read, image, "/etc/name"))
				-- plain layers, with a manifest that says so
				assert.equal(luff.open(source .. ":plain"), luff.open(place .. "app:plain"))
				assert.not_equal(luff.open(source .. ":packed"), image)
				local copied = luff.copy(place .. "app:packed", "memory:storage-" .. driver .. ":v1")
				local again = luff.open("memory:storage-" .. driver .. ":v1")
				assert.equal("application/vnd.oci.image.layer.v1.tar+gzip", again:layers()[1]:media_type())
				assert.equal(image:layers()[1]:digest(), again:layers()[1]:diff_id())
				assert.equal(again:digest(), copied.digest)
				local err = support.fails(luff.open, place .. "app:none")
				assert.equal("not_found", err.code)
				assert.equal("not_found", support.fails(luff.open, place .. "app@" .. luff.digest "x").code)
				assert.equal("not_found", support.fails(luff.open, place).code)
			end)
		end
	end)

	describe("made by hand", function()
		local dir, place
		local id, image_id = ("1"):rep(64), ("2"):rep(64)
		local content = support.tar { ["a/file"] = "content\n" }

		before_each(function()
			dir = support.scratch()
			place = "containers-storage:[overlay@" .. dir .. "]"
			support.must { "sh", "-ec", [[cd "$1" && mkdir -p overlay-images/$2 overlay-layers overlay/$3/diff/a]], "sh", dir,
				image_id, id }
		end)

		-- lines: of the tar-split; change: what the lists say otherwise
		local function make(lines, change)
			change = change or {}
			support.write(dir .. "/overlay/" .. id .. "/diff/a/file", "content\n")
			local diff_id = luff.digest(content)
			local config = luff.json.encode { architecture = "amd64", os = "linux",
				rootfs = { type = "layers", diff_ids = luff.array(change.diff_ids or { diff_id }) } }
			local oci = "application/vnd.oci.image."
			local manifest = luff.json.encode { schemaVersion = 2, mediaType = oci .. "manifest.v1+json",
				config = { mediaType = oci .. "config.v1+json", digest = luff.digest(config), size = #config },
				layers = luff.array { { mediaType = oci .. "layer.v1.tar+gzip", digest = luff.digest "x", size = 1 } } }
			local image_dir = dir .. "/overlay-images/" .. image_id .. "/"
			support.write(image_dir .. "manifest", change.manifest or manifest)
			support.write(image_dir .. "=" .. base64(luff.digest(config)), change.config or config)
			support.write(dir .. "/overlay-images/images.json", change.images or luff.json.encode(luff.array { {
				id = change.image_id or image_id, names = luff.array { "localhost/app:v1" }, layer = change.layer or id,
				["big-data-names"] = luff.array { "manifest", luff.digest(config) } } }))
			support.write(dir .. "/overlay-layers/layers.json", change.layers or luff.json.encode(luff.array { {
				id = change.id or id, parent = change.parent, ["diff-digest"] = change.digest or diff_id,
				["diff-size"] = change.size or #content } }))
			lines = lines or { { type = 2, payload = base64(content:sub(1, 512)), position = 0 },
				{ type = 1, name = "a/file", size = 8, payload = "x", position = 1 },
				{ type = 2, payload = base64(content:sub(521)), position = 2 } }
			local text = {}
			for i, line in ipairs(lines) do
				text[i] = (type(line) == "string" and line or luff.json.encode(line)) .. "\n"
			end
			-- gzip or not is seen from the bytes
			support.write(dir .. "/overlay-layers/" .. id .. ".tar-split.gz", (table.concat(text):gsub("CUT\n$", "")))
		end

		local function read()
			return luff.open(place .. "app:v1"):layers()[1]:compressed():read "a"
		end

		it("gives what is right", function()
			make()
			assert.equal(content, read())
			assert.equal("content\n", luff.open(place .. "localhost/app:v1"):read "/a/file")
			assert.equal(luff.open(place), luff.open(place .. "app:v1"))
			assert.equal(luff.open(place), luff.open("containers-storage:[" .. dir .. "+/run:x=y]app:v1"))
			make { { type = 2, payload = base64(content:sub(1, 512)) },
				{ type = 1, name_raw = base64 "./a//file", size = 8 }, { type = 2, payload = base64(content:sub(521)) } }
			assert.equal(content, read())
			support.make_image "memory:storage:x"
			assert.equal("unsupported", support.fails(luff.copy, "memory:storage:x", place .. "app:v2").code)
			assert.equal("unsupported", support.fails(luff.delete, place .. "app:v1").code)
		end)

		it("lets no record lead out, and believes none", function()
			local secret = support.write(support.scratch() .. "/secret", "content\n")
			support.must { "sh", "-c", 'cd "$1/overlay/$2/diff/a" && ln -s "$3" link && ln -s / dir && mkfifo pipe', "sh",
				dir, id, secret }
			for _, name in ipairs { ("../"):rep(20) .. secret, "a/../../x", "a/link", "a/dir/x", "a/pipe", "a", "", "none" } do
				make { { type = 1, name = name, size = 8 } }
				local err = support.fails(read)
				assert.is_true(err.code == "bad_format" or err.code == "not_found", name .. ": " .. tostring(err))
			end
			make { { type = 2, payload = base64(content:sub(1, 512)) }, { type = 1, name = "a/file", size = 8 },
				{ type = 2, payload = base64(content:sub(521)) } }
			support.write(dir .. "/overlay/" .. id .. "/diff/a/file", "c0ntent\n")
			assert.equal("digest_mismatch", support.fails(read).code)
			support.write(dir .. "/overlay/" .. id .. "/diff/a/file", "content, and more\n")
			assert.truthy(support.fails(read).message:find("a/file has changed", 1, true))
		end)

		it("says what is wrong with a record", function()
			for _, line in ipairs { "{", "[]", "7", '{"type":3}', '{"type":"1"}', '{"type":2,"payload":"*"}',
				'{"type":2,"payload":"QQ"}', '{"type":1,"size":5}', '{"type":1,"name":"a/file","size":-1}',
				'{"type":1,"name":"a/file","size":"8"}',
				'{"type":1,"name_raw":"AA==","size":8}', '{"type":2,"payload":""} x', '{"type":2,"payload":"QQ=="}CUT',
				'{"type":2,"a":[' .. ("1,"):rep(100) .. "1]}" } do
				make { line }
				local code = support.fails(read).code
				assert.is_true(code == "bad_format" or code == "too_large", line .. ": " .. code)
			end
			make { "" }
			assert.equal("bad_format", support.fails(read).code)
			make()
			support.must { "rm", dir .. "/overlay-layers/" .. id .. ".tar-split.gz" }
			assert.equal("not_found", support.fails(read).code)
		end)

		it("says what is wrong with its lists", function()
			for code, changes in pairs {
				bad_format = { { images = "{" }, { images = "{}" }, { layers = "7" }, { id = "x" }, { parent = id },
					{ diff_ids = {} }, { diff_ids = { luff.digest "a" } }, { digest = luff.digest "a" }, { layer = ("3"):rep(64) },
					{ size = -1 }, { manifest = "{}" }, { layers = '[{"id":7}]' } },
				not_found = { { images = "[]" } },
				digest_mismatch = { { config = "{}" } },
			} do
				for _, change in ipairs(changes) do
					make(nil, change)
					local err = support.fails(luff.open, place .. "app:v1")
					assert.is_true(err.code == code or err.code == "too_large" and change.parent ~= nil,
						luff.json.encode(change) .. ": " .. tostring(err))
				end
			end
			make(nil, { image_id = "../../x" })
			assert.equal("bad_format", support.fails(luff.open, place .. "app:v1").code)
		end)

		it("is where storage.conf says", function()
			make()
			local conf = dir .. "/storage.conf"
			local function found(text)
				if text then
					support.write(conf, text)
				end
				return support.luff({ "ls", "containers-storage:" },
					{ env = { CONTAINERS_STORAGE_CONF = conf, HOME = dir, USER = "somebody" } })
			end
			for _, text in ipairs {
				('[storage]\ndriver = "overlay"\ngraphroot = "%s" # here\n'):format(dir),
				("# all of it\r\n [ storage ] # \r\n\tgraphroot='%s'\r\nrunroot = \"/x\"\r\n"):format(dir),
				'[storage]\ndriver = ""\ngraphroot = "${HOME}/$NONE/.."\n[storage.options]\ngraphroot = 7\n',
				('[other]\ngraphroot = [\n"]"]\n[storage]\nlist = [\n  "graphroot = x",\n]\ngraphroot = "%s"'):format(dir),
			} do
				if text:find "NONE" then
					support.must { "mkdir", dir .. "/$NONE" }
				end
				local result = found(text)
				assert.equal(0, result.code, text .. result.stderr)
				assert.equal("localhost/app:v1\n", result.stdout)
			end
			for line, text in pairs {
				["line 2"] = "[storage]\ngraphroot = 7", ["line 3"] = '[storage]\n\ndriver = "overlay',
				["line 4"] = "[storage]\n\n\ndriver =",
				["driver is there twice"] = '[storage]\ndriver = "vfs"\ndriver = "vfs"',
				["no path from the root on"] = '[storage]\ngraphroot = "some/where"',
				["several lines"] = '[x]\ny = """\n[storage]\ngraphroot = "/z"\n"""',
				["line 1"] = 'graphroot = \'\'\'/\'\'\'',
			} do
				local result = found(text)
				assert.equal(6, result.code, text)
				assert.truthy(result.stderr:find(line, 1, true) and result.stderr:find(conf, 1, true), result.stderr)
			end
			local result = found('[storage]\ndriver = "btrfs"\ngraphroot = "' .. dir .. '"')
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find("btrfs", 1, true), result.stderr)
		end)

		it("is there, with a driver that is known", function()
			make()
			assert.equal("not_found", support.fails(luff.open, "containers-storage:[" .. dir .. "/none]app").code)
			assert.equal("not_found", support.fails(luff.open, "containers-storage:[" .. dir .. "/overlay]app").code)
			assert.equal("unsupported", support.fails(luff.open, "containers-storage:[btrfs@" .. dir .. "]app").code)
			assert.equal("invalid_name", support.fails(luff.open, "containers-storage:[" .. dir).code)
			assert.equal("invalid_name", support.fails(luff.open, "containers-storage:[overlay@x]app").code)
			local result = support.luff({ "digest", "containers-storage:app" }, { env = { XDG_DATA_HOME = dir, HOME = dir } })
			assert.equal(3, result.code, result.stderr)
		end)
	end)
end)
