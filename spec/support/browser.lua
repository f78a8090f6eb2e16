-- A real browser for specs: Chromium without a window, driven by chromedriver's WebDriver (W3C) over loopback.
local process = require "spec.support.process"

local Browser = {}
Browser.__index = Browser

local function request(self, method, path, body)
	local json = require("luff").json
	local argv = { "curl", "-sS", "--max-time", "60", "-X", method, self.url .. path }
	if body then
		table.move({ "-H", "Content-Type: application/json", "-d", "@-" }, 1, 4, #argv + 1, argv)
	end
	local answer = json.decode(process.must(argv, { stdin = body and json.encode(body) }))
	if type(answer.value) == "table" and answer.value.error then
		error(answer.value.error .. ": " .. tostring(answer.value.message), 3)
	end
	return answer.value
end

--- Opens a page of a file.
function Browser:open(path)
	request(self, "POST", "/url", { url = "file://" .. path })
end

--- What a script of the test's own returns, in the page.
function Browser:run(script)
	return request(self, "POST", "/execute/sync", { script = script, args = require("luff").array {} })
end

--- Shows pages as on a phone of that size.
function Browser:phone(width, height)
	request(self, "POST", "/goog/cdp/execute", { cmd = "Emulation.setDeviceMetricsOverride",
		params = { width = width, height = height, deviceScaleFactor = 2, mobile = true } })
end

--- Types into the element with the focus.
function Browser:type(text)
	local element = select(2, next(request(self, "GET", "/element/active")))
	request(self, "POST", "/element/" .. element .. "/value", { text = text })
end

--- A browser, nil where chromium or chromedriver is missing. It ends with the test.
return function()
	local chromium, driver = process.peer "chromium", process.peer "chromedriver"
	if not chromium or not driver then
		return nil
	end
	local dir = process.scratch()
	local started = process.start({ driver, "--port=0" }, { env = { HOME = dir, TMPDIR = dir, XDG_CONFIG_HOME = dir } })
	local port = process.eventually(function()
		return (started:stdout() .. started:stderr()):match "started successfully on port (%d+)"
			or not started:running() and error("chromedriver: " .. started:stderr())
	end, 120, "chromedriver")
	local self = setmetatable({ url = "http://127.0.0.1:" .. port .. "/session" }, Browser)
	local session = request(self, "POST", "", { capabilities = { alwaysMatch = { ["goog:chromeOptions"] = {
		binary = chromium,
		args = { "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
			"--user-data-dir=" .. dir .. "/chrome" },
	} } } })
	self.url = self.url .. "/" .. session.sessionId
	process.defer(function() pcall(request, self, "DELETE", "") end)
	return self
end
