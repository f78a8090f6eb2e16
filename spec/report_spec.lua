-- Not under sanitizers.
-- luff report: what the page says, that nothing of an image becomes a part of it, and how it behaves in a browser.
local luff = require "luff"
local files = require "luff.report.files"
local report = require "luff.report"
local support = require "spec.support"
local start_browser = require "spec.support.browser"

local hostile = {
	"<img src=x onerror=document.title='pwned'>", "</script><script>document.title='pwned'</script>",
	"\"><svg onload=document.title='pwned'>", "' autofocus onfocus=document.title='pwned' x='", "&lt;b&gt;", "<!--", "]]>",
	"javascript:document.title='pwned'", "\27[2J\u{202e}gpj.exe", "\xff\xfe",
}

-- An image in which everything that may be a text is hostile.
local function hostile_image(name)
	local content, removed = {}, {}
	for _, text in ipairs(hostile) do
		content[#content + 1] = { (text:gsub("/", "\u{2215}")), ("x"):rep(#content + 1) }
		removed[#removed + 1] = { ".wh." .. text:gsub("/", "\u{2215}"), "" }
	end
	content[#content + 1] = { "link", "", type = "2", link = hostile[1] }
	local config, labels, env = { history = {}, created = hostile[1] }, {}, {}
	for i, text in ipairs(hostile) do
		text = utf8.len(text) and text or "x"
		labels[text .. i] = text
		env[i] = text
		config.history[i] = { created_by = text, empty_layer = i > 2 }
	end
	config.config = { Labels = labels, Env = env, Cmd = env, Entrypoint = env, User = hostile[1], WorkingDir = hostile[2] }
	return support.make_image(name, { config = config, annotations = { [hostile[1]] = hostile[2] }, layers = {
		support.tar_of(content), support.tar_of { removed[1], removed[2], { "kept", "k" } },
	} })
end

local tags = {}
for tag in ([[html head meta title style body main header h1 h2 p dl dt dd ul li b span div ol code i small input
	details summary table thead tbody tr th td button script footer]]):gmatch "%S+" do
	tags[tag] = true
end
local attributes = {}
for name in ([[lang charset http-equiv content name class aria-hidden aria-label aria-sort style title id type data-of
	data-v placeholder role hidden open tabindex scope]]):gmatch "%S+" do
	attributes[name] = true
end

-- Holds for every page: tags and attributes are luff's own, and nothing points out of it.
local function check_page(html)
	local body = html:gsub("<style>.-</style>", ""):gsub("<script>.-</script>", "<script></script>")
	assert.truthy(body:find "^<!DOCTYPE html>\n")
	assert.equal(1, select(2, html:gsub("<script", "")))
	body = body:gsub("<!DOCTYPE html>", "")
	for slash, tag, rest in body:gmatch "<(/?)([^%s>/]*)([^>]*)>" do
		assert.is_true(tags[tag], ("<%s%s%s>"):format(slash, tag, rest))
		rest = rest:gsub('="[^"<>]*"', "=")
		for word in rest:gmatch "[^%s=]+" do
			assert.is_true(attributes[word], ("<%s %s>"):format(tag, rest))
		end
	end
	assert.is_nil(body:gsub("<[^<>]*>", ""):find "[<>]")
	assert.truthy(utf8.len(html))
	assert.is_nil(html:find "[\0-\8\11-\31]")
end

describe("A report on an image", function()
	it("says what each layer is, what is wasted, and which files there are", function()
		local image = support.make_image("memory:report:v1", { config = {
			created = "2024-05-06T07:08:09Z", history = { { created_by = "/bin/sh -c make base" }, { created_by = "COPY app" } },
			config = { User = "nobody", Env = { "MODE=test" }, Labels = { team = "web" } },
		}, layers = {
			support.tar { ["usr/lib/large"] = ("l"):rep(5000), ["etc/small"] = "s" },
			support.tar { ["usr/lib/large"] = ("m"):rep(4000) },
		} })
		local html = report.image(image, { name = "registry.example.com/app:v1" })
		check_page(html)
		local text = html:gsub("<style>.-</style>", ""):gsub("<script>.-</script>", ""):gsub("<[^>]*>", " "):gsub("%s+", " ")
		for _, part in ipairs {
			"registry.example.com/app:v1", image:digest(), "2024-05-06T07:08:09Z", "RUN make base", "COPY app", "2 layers",
			"5.0 kB wasted", "replaced 2 5.0 kB", "nobody", "MODE=test", "team web", "large layer 2 4.0 kB",
		} do
			assert.truthy(text:find(part, 1, true), part .. " in " .. text)
		end
		assert.is_true(text:find("usr/", 1, true) < text:find("etc/", 1, true))
	end)

	it("lists the platforms of an index, and is about one of them", function()
		local index = support.make_index("memory:reportindex:v1", { "linux/amd64", "linux/arm64" })
		local html = report.image("memory:reportindex:v1", { platform = "linux/arm64" })
		check_page(html)
		assert.truthy(html:find("<dd>linux/arm64</dd>", 1, true))
		for _, entry in ipairs(index:index_manifest().manifests) do
			assert.truthy(html:find(entry.digest, 1, true))
		end
	end)

	it("is made of nothing that the image says", function()
		check_page(report.image(hostile_image "memory:hostile:v1", { name = hostile[1] }))
	end)

	it("stays small, however many files there are", function()
		local n = 0
		local total, count = 0, 60000
		-- folders of folders of files, names as they are sorted
		local function entries()
			local list = coroutine.wrap(function()
				for a = 1, 300 do
					coroutine.yield { path = "/a" .. a, type = "folder", size = 0 }
					for b = 1, 200 do
						total, n = total + a * b, n + 1
						coroutine.yield { path = ("/a%d/f%d"):format(a, b), type = "file", size = a * b, layer = 1 }
					end
				end
				for c = 1, 500 do
					coroutine.yield { path = "/z" .. c, type = "file", size = 0, layer = 1 }
				end
				local deep = ""
				for _ = 1, 300 do
					deep = deep .. "/d"
					coroutine.yield { path = deep, type = "folder", size = 0 }
				end
				coroutine.yield { path = deep .. "/f", type = "file", size = 7, layer = 1 }
			end)
			return list
		end
		local root = files.build(entries(), 1000)
		assert.equal(count, n)
		assert.equal(total + 7, root.size)
		assert.equal(count + 501, root.files)
		local nodes = 0
		local function check(node, depth)
			nodes = nodes + 1
			assert.is_true(depth < 60)
			local sum, last = node.more_size or 0, math.huge
			for _, child in ipairs(node.children or {}) do
				assert.is_true(child.size <= last)
				sum, last = sum + child.size, child.size
				check(child, depth + 1)
			end
			assert.is_true(node.children == nil or sum == node.size, node.name)
		end
		check(root, 0)
		assert.is_true(nodes <= 1500, nodes)
		assert.equal(300, root.children[1].size / 20100)
		assert.equal(60000, root.children[1].children[1].size)
		assert.is_true(root.more > 500)
	end)
end)

describe("A report on a repository", function()
	it("lists tags with what they share, and goes on past one that fails", function()
		local server <close> = luff.serve { faults = { { method = "GET", path = "/v2/app/manifests/broken", status = 404 } } }
		local place = server:address() .. "/app"
		local base = support.tar { base = ("b"):rep(3000) }
		for i, tag in ipairs { "v1", "v2" } do
			support.make_image(place .. ":" .. tag, { layers = { base, support.tar { app = ("a"):rep(1000 * i) } },
				config = { created = "2024-05-0" .. i .. "T00:00:00Z" } })
		end
		support.make_index(place .. ":all", { "linux/amd64", "linux/arm64" })
		luff.tag(place .. ":v2", "broken")
		luff.tag(place .. ":v2", "latest")
		local html = report.repository(place)
		check_page(html)
		local text = html:gsub("<style>.-</style>", ""):gsub("<script>.-</script>", ""):gsub("<[^>]*>", " "):gsub("%s+", " ")
		for _, part in ipairs { "5 tags", "3 different images", "linux/amd64, linux/arm64", "2024-05-01", "2024-05-02" } do
			assert.truthy(text:find(part, 1, true), part .. " in " .. text)
		end
		assert.truthy(text:find("broken [^ ]*: not found", 1), text)
		local digest = luff.digest(base)
		assert.truthy(text:find(digest:sub(1, 19) .. " 2 3 4.6 kB 4.6 kB", 1, true), text)
	end)

	it("is made of nothing that the images say", function()
		hostile_image "memory:hostiles:v1"
		check_page(report.repository "memory:hostiles")
	end)
end)

describe("luff report", function()
	it("writes the page to a file as a whole, or to a pipe", function()
		local dir = support.scratch()
		local name = "oci:" .. dir .. "/layout:v1"
		support.make_image(name)
		local piped = support.luff("report", name)
		assert.equal(0, piped.code, piped.stderr)
		check_page(piped.stdout)
		assert.same({ code = 0, stdout = "", stderr = "" }, support.luff("report", "-o", dir .. "/page.html", name))
		support.must { "ln", "-s", "page.html", dir .. "/link" }
		support.must { "mkfifo", dir .. "/pipe" }
		assert.equal(0, support.luff("report", "-o", dir .. "/link", name).code)
		assert.equal("page.html", (support.must { "readlink", dir .. "/link" }:gsub("\n", "")))
		local run = "cat %s/pipe > %s/piped & %s report -o %s/pipe %s && wait && test -p %s/pipe"
		support.must { "timeout", "60", "sh", "-c", run:format(dir, dir, support.program, dir, name, dir) }
		assert.equal(support.read(dir .. "/page.html"), support.read(dir .. "/piped"))
		assert.equal(piped.stdout, support.read(dir .. "/page.html"))
		local whole = support.luff("report", "--repository", "oci:" .. dir .. "/layout")
		assert.truthy(whole.stdout:find("1</b> <span>tag</span>", 1, true))
		for code, line in pairs { [1] = { "-o", dir .. "/none/page.html", name }, [3] = { name .. "x" },
			[2] = { "--repository", "--platform", "linux/arm64", name } } do
			local result = support.luff("report", table.unpack(line))
			assert.equal(code, result.code, result.stderr)
			assert.equal("", result.stdout)
			assert.truthy(result.stderr:find "^luff: [^\n]+\n$")
		end
	end)
end)

describe("In a browser, a report", function()
	local browser, dir

	setup(function()
		browser, dir = start_browser(), support.scratch()
	end)

	local function open(html)
		if not browser then
			pending "chromium and chromedriver are not installed"
		end
		browser:open(support.write(dir .. "/page.html", html))
	end

	it("runs nothing of an image, and asks nobody", function()
		open(report.image(hostile_image "memory:hostile:v2", { name = "hostile" }))
		assert.equal("hostile", browser:run "return document.title")
		assert.same({ 1, 0, 0 }, browser:run [[return [document.scripts.length, document.querySelectorAll(
			"img,svg,a,link,iframe,object,form,base,b b").length, performance.getEntriesByType("resource").length] ]])
		assert.is_false(browser:run [[return Array.from(document.querySelectorAll("*")).some(e =>
			Array.from(e.attributes).some(a => a.name.startsWith("on") || a.name === "autofocus"))]])
		local names = browser:run [[return Array.from(document.querySelectorAll("#files .name")).map(
			e => e.firstChild.textContent)]]
		assert.truthy(table.concat(names, "\n"):find("\"><svg onload=", 1, true))
		-- whatever came in by another way would not run, either
		browser:run [[const s = document.createElement("script"); s.textContent = "document.title = 'pwned'";
			document.body.append(s); const i = document.createElement("img"); i.src = "https://example.invalid/x";
			i.setAttribute("onerror", "document.title = 'pwned'"); document.body.append(i)]]
		assert.equal("hostile", browser:run "return document.title")
	end)

	it("is searched, opened by keys, and fits a phone", function()
		open(report.image(support.make_image("memory:browser:v1", { layers = { support.tar {
			["usr/lib/one.so"] = ("x"):rep(300), ["usr/lib/two.txt"] = ("x"):rep(200), ["usr/bin/three"] = ("x"):rep(100),
			["etc/motd"] = "x", ["var/deep/est/file"] = "y",
		} } })))
		local visible = [[return Array.from(document.querySelectorAll("#files .name"))
			.filter(e => !e.closest("li").parentElement.closest("details:not([open])") && !e.closest("[hidden]"))
			.map(e => e.firstChild.textContent.trim()).join(" ")]]
		local before = browser:run(visible)
		assert.equal("/ usr/ etc/ var/", before)
		browser:run 'document.querySelector("input[type=search]").focus()'
		browser:type "est/"
		assert.equal("/ var/ deep/ est/ file", browser:run(visible))
		assert.equal("1 found", browser:run 'return document.querySelector("[role=status]").textContent')
		browser:run [[const i = document.querySelector("input[type=search]"); i.value = "";
			i.dispatchEvent(new Event("input"))]]
		assert.equal(before, browser:run(visible))
		browser:run 'document.querySelector("#files summary").focus()'
		browser:type "\u{E015}\u{E014}\u{E014}\u{E014}" -- down, right: opens usr, then into it, which opens
		assert.equal("/ usr/ lib/ one.so two.txt bin/ etc/ var/", browser:run(visible))
		browser:type "\u{E012}\u{E012}\u{E012}" -- left: closes lib, goes to usr, closes it
		assert.equal(before, browser:run(visible))
		browser:phone(360, 740)
		assert.same({ 360, 360 }, browser:run "return [innerWidth, document.documentElement.scrollWidth]")
	end)

	it("sorts the tags of a repository", function()
		for i, tag in ipairs { "v2", "v10", "v1" } do
			support.make_image("memory:sorted:" .. tag, { layers = { support.tar { f = ("f"):rep(i * 1000) } } })
		end
		open(report.repository "memory:sorted")
		local order = 'return Array.from(document.querySelectorAll("#tags tbody th")).map(e => e.textContent).join(" ")'
		local press = 'document.querySelectorAll("#tags th button")[%d].click(); '
		assert.equal("v1 v10 v2", browser:run(order))
		assert.equal("v2 v10 v1", browser:run(press:format(2) .. order))
		assert.equal("v10 v2 v1", browser:run(press:format(0) .. order))
		assert.equal("v1 v2 v10", browser:run(press:format(0) .. order))
		browser:run [[const i = document.querySelector("input[type=search]"); i.value = "v10";
			i.dispatchEvent(new Event("input"))]]
		assert.equal(1, browser:run [[return Array.from(document.querySelectorAll("#tags tbody tr")).filter(
			r => !r.hidden).length]])
	end)
end)
