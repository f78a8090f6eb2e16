-- Uploads to the embedded registry that outlive it, and that several servers over one folder share.
local luff = require "luff"
local support = require "spec.support"

local request = support.http

local function url_of(server, response)
	return ("http://%s%s"):format(server:address(), (response.headers.location:gsub("^http://[^/]+", "")))
end

local function finish(url, bytes)
	return request("PUT", ("%s?digest=%s"):format(url, luff.digest(bytes)), { body = "" })
end

describe("an upload", function()
	local root
	before_each(function()
		root = support.scratch()
	end)

	local function start(server)
		return request("POST", ("http://%s/v2/team/app/blobs/uploads/"):format(server:address()))
	end

	it("goes on when the server is started again", function()
		local bytes = support.random(300000)
		local response
		do
			local server <close> = luff.serve { root = root }
			response = start(server)
			response = request("PATCH", url_of(server, response), { body = bytes:sub(1, 100000) })
			assert.equal(202, response.status)
		end
		local server <close> = luff.serve { root = root }
		local url = url_of(server, response)
		local status = request("GET", url)
		assert.equal(204, status.status)
		assert.equal("0-99999", status.headers.range)
		assert.equal(416, request("PATCH", url, { body = "x", headers = { ["Content-Range"] = "0-0" } }).status)
		assert.equal(202, request("PATCH", url, { body = bytes:sub(100001),
			headers = { ["Content-Range"] = "100000-299999" } }).status)
		assert.equal(201, finish(url, bytes).status)
		assert.equal(bytes, request("GET",
			("http://%s/v2/team/app/blobs/%s"):format(server:address(), luff.digest(bytes))).body)
		assert.equal(404, request("GET", url).status)
	end)

	it("goes on when the server was killed in the middle of it", function()
		local bytes = support.random(400000)
		local server = support.start { support.program, "serve", "--listen", "127.0.0.1:0", root }
		local address = support.eventually(function()
			return server:stdout():match "127.0.0.1:%d+"
		end, 60, "luff serve")
		local here = { address = function() return address end }
		local response = start(here)
		response = request("PATCH", url_of(here, response), { body = bytes:sub(1, 150000) })
		assert.equal(202, response.status)
		server:kill "KILL"
		server:wait()

		local again <close> = luff.serve { root = root }
		local url = url_of(again, response)
		local last = tonumber(request("GET", url).headers.range:match "^0%-(%d+)$")
		assert.equal(149999, last)
		assert.equal(202, request("PATCH", url, { body = bytes:sub(last + 2) }).status)
		assert.equal(201, finish(url, bytes).status)
	end)

	it("is any server's over the folder", function()
		local one <close> = luff.serve { root = root }
		local two <close> = luff.serve { root = root }
		local parts = { "first ", "second ", "third ", "fourth" }
		local response = start(one)
		for i, part in ipairs(parts) do
			response = request("PATCH", url_of(i % 2 == 0 and one or two, response), { body = part })
			assert.equal(202, response.status)
		end
		local bytes = table.concat(parts)
		assert.equal(("0-%d"):format(#bytes - 1), request("GET", url_of(two, response)).headers.range)
		assert.equal(201, finish(url_of(one, response), bytes).status)
		for _, server in ipairs { one, two } do
			assert.equal(404, request("GET", url_of(server, response)).status)
			assert.equal(404, request("PATCH", url_of(server, response), { body = "more" }).status)
			assert.equal(bytes, request("GET",
				("http://%s/v2/team/app/blobs/%s"):format(server:address(), luff.digest(bytes))).body)
		end
	end)

	it("is cancelled for all of them", function()
		local one <close> = luff.serve { root = root }
		local two <close> = luff.serve { root = root }
		local response = start(one)
		assert.equal(202, request("PATCH", url_of(two, response), { body = "some" }).status)
		assert.equal(204, request("DELETE", url_of(one, response)).status)
		assert.equal(404, request("PATCH", url_of(two, response), { body = "more" }).status)
		assert.equal("", support.sh(("find %s -name '*.upload'"):format(root)))
	end)

	it("goes when nobody came back to it for an hour", function()
		local response
		do
			local server <close> = luff.serve { root = root }
			response = request("PATCH", url_of(server, start(server)), { body = "some" })
			start(server)
		end
		local old = support.sh(("find %s -name '*.upload' -size +0"):format(root))
		assert.not_equal("", old)
		support.must { "touch", "-d", "61 minutes ago", old }
		local server <close> = luff.serve { root = root }
		start(server)
		assert.equal(404, request("GET", url_of(server, response)).status)
		assert.equal("2", support.sh(("find %s -name '*.upload' | wc -l"):format(root)))
	end)

	it("makes no repository that is listed before something has come in", function()
		for _, folder in ipairs { root, false } do
			local server <close> = luff.serve { root = folder or nil }
			start(server)
			assert.equal('{"repositories":[]}', request("GET", ("http://%s/v2/_catalog"):format(server:address())).body)
		end
	end)
end)

describe("luff.serve over a folder that is a layout", function()
	it("serves it under the name of the folder, to read and to write", function()
		local dir = support.scratch() .. "/My_App.."
		support.make_image("oci:" .. dir .. ":v1")
		local server <close> = luff.serve { root = dir }
		local place = server:address() .. "/my_app"
		assert.equal('{"repositories":["my_app"]}', request("GET", ("http://%s/v2/_catalog"):format(server:address())).body)
		assert.equal(luff.image("oci:" .. dir .. ":v1"), luff.image(place .. ":v1"))
		local new = support.make_image(place .. ":v2", { platform = "linux/arm64" })
		assert.equal(new:digest(), luff.resolve("oci:" .. dir .. ":v2").digest)
		luff.delete(place .. ":v1")
		assert.is_nil(luff.try(luff.resolve, "oci:" .. dir .. ":v1"))
		luff.image("oci:" .. dir .. ":v2")
	end)

	it("has no other repository, and makes none", function()
		local dir = support.scratch() .. "/app"
		support.make_image("oci:" .. dir .. ":v1")
		local before = support.checksums(dir)
		local server <close> = luff.serve { root = dir }
		local base = ("http://%s/v2/"):format(server:address())
		assert.equal(404, request("GET", base .. "other/tags/list").status)
		assert.equal(400, request("GET", base .. "app/blobs/tags/list").status)
		for _, name in ipairs { "other", "app/more" } do
			local response = request("POST", base .. name .. "/blobs/uploads/")
			assert.equal(404, response.status)
			assert.equal("NAME_UNKNOWN", luff.json.decode(response.body).errors[1].code)
			assert.equal(404, request("PUT", base .. name .. "/manifests/v1", { headers = { ["Content-Type"] =
				"application/vnd.oci.image.index.v1+json" }, body = '{"schemaVersion":2,"manifests":[]}' }).status)
		end
		assert.same(before, support.checksums(dir))
	end)

	it("calls it layout where the folder's name has nothing that a name may have", function()
		local dir = support.scratch() .. "/___"
		support.make_image("oci:" .. dir .. ":v1")
		local server <close> = luff.serve { root = dir }
		luff.image(server:address() .. "/layout:v1")
	end)

	it("leaves a folder that can be copied by rsync and read by skopeo and crane", function()
		local root = support.scratch()
		do
			local server <close> = luff.serve { root = root }
			support.make_image(server:address() .. "/team/app:v1")
		end
		local copy = support.scratch() .. "/copy"
		support.must { "cp", "-a", root, copy }
		local digest = luff.resolve("oci:" .. root .. "/team/app:v1").digest
		local server <close> = luff.serve { root = copy }
		assert.equal(digest, luff.resolve(server:address() .. "/team/app:v1").digest)
		local tool = support.peer "skopeo"
		if not tool then
			return pending "skopeo is not installed"
		end
		assert.equal(digest, luff.json.decode(support.must { tool, "inspect", "oci:" .. copy .. "/team/app:v1" }).Digest)
	end)
end)
