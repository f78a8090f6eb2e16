-- Not under the thread sanitizer.
-- Command lines: what is typed becomes options and arguments, and what is mistyped says so.
require "luff"
local options = require "luff.options"

local declared = {
	{ name = "platform", value = "P", help = "which" },
	{ name = "plain-http", help = "no TLS" },
	{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64, help = "how many" },
	{ name = "quiet", short = "q", help = "say nothing" },
	{ name = "verbose", short = "v", help = "say everything" },
	{ name = "execute", short = "e", value = "CODE", type = "list", help = "run" },
}

local function parse(...)
	return options.parse(declared, { ... })
end

local function message_of(...)
	local ok, err = pcall(parse, ...)
	assert.is_false(ok)
	assert.equal("usage", err.code)
	assert.equal(err.message, tostring(err))
	return err.message
end

describe("A command line", function()
	it("has options anywhere among the arguments", function()
		local opts, args = parse("a", "--platform", "linux/arm64", "b", "-q")
		assert.same({ platform = "linux/arm64", quiet = true }, opts)
		assert.same({ "a", "b" }, args)
	end)

	it("takes a value after a blank or an equals sign", function()
		assert.same({ platform = "x" }, (parse("--platform", "x")))
		assert.same({ platform = "x" }, (parse("--platform=x")))
		assert.same({ platform = "x=y" }, (parse("--platform=x=y")))
		assert.same({ platform = "" }, (parse("--platform=")))
		assert.same({ platform = "--quiet" }, (parse("--platform", "--quiet")))
	end)

	it("takes short options alone, together and with their value", function()
		assert.same({ jobs = 4 }, (parse("-j4")))
		assert.same({ jobs = 4 }, (parse("-j", "4")))
		assert.same({ quiet = true, verbose = true, jobs = 12 }, (parse("-qvj12")))
	end)

	it("names what has a dash by an underscore", function()
		assert.same({ plain_http = true }, (parse("--plain-http")))
	end)

	it("ends its options at --, and - is an argument", function()
		local opts, args = parse("-", "--", "--quiet", "-x", "--")
		assert.same({}, opts)
		assert.same({ "-", "--quiet", "-x", "--" }, args)
	end)

	it("can end its options at the first argument", function()
		local opts, args = options.parse(declared, { "-q", "script", "-v" }, 1, true)
		assert.same({ quiet = true }, opts)
		assert.same({ "script", "-v" }, args)
	end)

	it("lets the last value win, and collects lists", function()
		assert.same({ jobs = 2 }, (parse("-j1", "-j2")))
		assert.same({ execute = { "a", "b" } }, (parse("-e", "a", "--execute=b")))
	end)

	it("suggests the option that was meant", function()
		assert.equal("unknown option --platfrom (did you mean --platform?)", message_of("--platfrom"))
		assert.equal("unknown option --platfrom (did you mean --platform?)", message_of("--platfrom=x"))
		assert.equal("unknown option --quite (did you mean --quiet?)", message_of("--quite"))
		assert.equal("unknown option --xyzzy", message_of("--xyzzy"))
		assert.equal("unknown option -x", message_of("-qx"))
	end)

	it("says what an option wants", function()
		assert.equal("--platform wants a value: --platform P", message_of("--platform"))
		assert.equal("-j wants a value: -j N", message_of("-j"))
		assert.equal("--quiet takes no value", message_of("--quiet=1"))
		for _, text in ipairs { "0", "65", "x", "", "-1", "1.5", "0x10", "1e1", " 1", "99999999999999999999" } do
			assert.equal(('--jobs wants a number from 1 to 64, not "%s"'):format(text), message_of("--jobs=" .. text))
		end
	end)
end)

describe("A suggestion", function()
	local words = { "digest", "manifest", "config", "inspect", "ls", "copy", "serve", "version", "help" }

	it("is the nearest word", function()
		for word, meant in pairs {
			dogest = "digest", digset = "digest", DIGEST = "digest", insp = "inspect", cpoy = "copy", copu = "copy",
			list = nil, verison = "version", l = "ls", ["ls-tags"] = nil,
		} do
			assert.equal(meant, options.nearest(word, words), word)
		end
	end)

	it("is not made where nothing is near", function()
		for _, word in ipairs { "frobnicate", "xx", "", ("x"):rep(100000), "\0\255" } do
			assert.is_nil(options.nearest(word, words))
		end
	end)
end)

describe("A list of options", function()
	it("is aligned", function()
		assert.equal("  -j, --jobs N      how many\n      --plain-http  no TLS\n",
			options.describe { declared[3], declared[2] })
	end)
end)
