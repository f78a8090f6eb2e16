-- What moves in any call (bindings/progress.c, core/stream/told.c): luff.config{ on_progress = f }.
local luff = require "luff"
local support = require "spec.support"

-- What a function's calls tell: for each digest the kinds in their order, without repeats, and its bytes.
local function heard(f)
	local kinds, bytes, events = {}, {}, {}
	luff.config { on_progress = function(event)
		local list = kinds[event.digest] or {}
		kinds[event.digest] = list
		if list[#list] ~= event.kind then
			list[#list + 1] = event.kind
		end
		bytes[event.digest] = (bytes[event.digest] or 0) + event.bytes
		events[#events + 1] = event
	end }
	local ok, err = pcall(f)
	luff.config { on_progress = false }
	assert(ok, err)
	for digest, list in pairs(kinds) do
		kinds[digest] = table.concat(list, " ")
	end
	return kinds, bytes, events
end

describe("What moves", function()
	local server, place, layer, config

	setup(function()
		server = luff.serve {}
		place = server:address() .. "/app:v1"
		luff.copy("random:layers=2,size=100000", place)
		local manifest = luff.image(place):manifest()
		layer, config = manifest.layers[1], manifest.config
	end)

	teardown(function() server:close() end)

	it("is told of blobs that are read", function()
		local kinds, bytes, events = heard(function()
			assert.same({}, (luff.validate(place)))
		end)
		assert.equal("start bytes read", kinds[layer.digest])
		assert.equal("start bytes read", kinds[config.digest])
		assert.equal(layer.size, bytes[layer.digest])
		for _, event in ipairs(events) do
			assert.equal(0, event.total)
			assert.truthy(event.media_type ~= "" and event.size > 0)
		end
	end)

	it("is told once where one place reads from another", function()
		luff.config { cache = { dir = support.scratch() .. "/cache" } }
		for _ = 1, 2 do
			local _, bytes = heard(function() assert.same({}, (luff.validate(place))) end)
			assert.equal(layer.size, bytes[layer.digest])
		end
		luff.config { cache = false }
	end)

	it("is told of blobs that are written, and of those that stay behind", function()
		local blob
		local kinds, bytes = heard(function() blob = luff.push_blob(place, ("x"):rep(70000)) end)
		assert.equal("start bytes done", kinds[blob.digest])
		assert.equal(70000, bytes[blob.digest])
		kinds = heard(function()
			local closed = luff.serve { read_only = true }
			support.fails(luff.push_blob, closed:address() .. "/app:v1", "abc")
			closed:close()
		end)
		assert.equal("start left", (kinds[luff.digest "abc"]:gsub(" bytes", "")))
	end)

	it("is told of copies as they tell it themselves, and of those with a listener of their own not at all", function()
		local kinds, _, events = heard(function() luff.copy(place, "memory:heard:v1") end)
		assert.equal("start bytes done", kinds[layer.digest])
		assert.truthy(events[#events].total >= layer.size)
		local own = 0
		kinds = heard(function() luff.copy(place, "memory:heard:v2", { progress = function() own = own + 1 end }) end)
		assert.same({}, kinds)
		assert.truthy(own > 0)
	end)

	it("is told in tasks, too", function()
		local _, bytes = heard(function()
			luff.map({ 1, 2, 3 }, { jobs = 3 }, function() luff.validate(place) end)
		end)
		assert.equal(3 * layer.size, bytes[layer.digest])
	end)

	it("ends the call with what the listener raises", function()
		luff.config { on_progress = function() error({ code = "mine" }, 0) end }
		local ok, err = pcall(luff.validate, place)
		luff.config { on_progress = false }
		assert.is_false(ok)
		assert.equal("mine", err.code)
		assert.same({}, (luff.validate(place)))
	end)

	it("is not told of what the listener itself calls", function()
		local depth, deepest = 0, 0
		luff.config { on_progress = function()
			depth = depth + 1
			deepest = math.max(deepest, depth)
			luff.validate(place)
			depth = depth - 1
		end }
		luff.validate(place)
		luff.config { on_progress = false }
		assert.equal(1, deepest)
	end)

	it("wants a function", function()
		assert.matches("on_progress is a function", support.fails(luff.config, { on_progress = 1 }).message)
	end)
end)

describe("luff --progress", function()
	local place = "random:layers=1,size=300000"

	it("is of commands that read, too", function()
		local dir = support.scratch()
		for _, words in ipairs { { "validate", place }, { "export", "-o", dir .. "/x.tar", place },
			{ "extract", place, dir .. "/x" }, { "report", "-o", dir .. "/x.html", place } } do
			table.insert(words, 2, "--progress")
			table.insert(words, 3, "plain")
			local r = support.luff(words)
			assert.equal(0, r.code, r.stderr)
			assert.matches("layer +%S+ %S+  read\n", r.stderr)
		end
		local r = support.luff("validate", place)
		assert.falsy(r.stderr:find("read\n.*read\n"))
	end)

	it("is of files, as they go and come", function()
		local dir = support.scratch()
		support.write(dir .. "/file", ("x"):rep(100000))
		local r = support.luff { "artifact", "push", "--progress", "json", "oci:" .. dir .. "/layout:v1", dir .. "/file" }
		assert.equal(0, r.code, r.stderr)
		assert.matches('"digest":"' .. luff.digest(("x"):rep(100000)) .. '","event":"done"', r.stderr, 1, true)
		r = support.luff { "artifact", "pull", "--progress", "plain", "-o", dir .. "/out", "oci:" .. dir .. "/layout:v1" }
		assert.equal(0, r.code, r.stderr)
		assert.matches("blob +100.0 kB  read\n", r.stderr)
	end)
end)
