-- The Lua side of canned.pl: web servers that give the answers they are told, for what no honest registry does.
local process = require "spec.support.process"

local servers -- the program, once one is wanted

local function ask(...)
	servers = servers or process.talk { "perl", "spec/support/canned.pl" }
	servers.to:write(table.concat({ ... }, " "), "\n")
	servers.to:flush()
	return assert(servers.from:read "*l", "canned.pl has ended")
end

local reasons = {
	[200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content", [206] = "Partial Content",
	[301] = "Moved Permanently", [302] = "Found", [307] = "Temporary Redirect", [401] = "Unauthorized",
	[403] = "Forbidden", [404] = "Not Found", [429] = "Too Many Requests", [500] = "Internal Server Error",
	[503] = "Service Unavailable",
}

local function answer_of(rule)
	if rule.raw then
		return rule.raw
	end
	local body = rule.body or ""
	local lines = { ("HTTP/1.1 %d %s"):format(rule.status or 200, reasons[rule.status or 200] or "Whatever") }
	local has_length = false
	for name, value in pairs(rule.headers or {}) do
		has_length = has_length or name:lower() == "content-length"
		lines[#lines + 1] = name .. ": " .. value
	end
	if not has_length then
		lines[#lines + 1] = "Content-Length: " .. #body
	end
	lines[#lines + 1] = "Connection: close"
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- Starts a server; it ends with the test. rules: a list, the first that fits a request answers it, else 404:
--   { "GET" or "*", path pattern (a Perl regular expression, anchored), status =, headers = {}, body =,
--     raw = (the whole answer, byte by byte), when = (regular expression on the request's head), once = true,
--     hang = true, early = true (answers before the body has come), late = true (its own body 0.2 s after the headers) }
-- In headers, body and raw, {{address}} is the server's own "127.0.0.1:port" (count it out of a Content-Length).
-- opts.socket: path of a Unix socket to listen on, which is the address then.
-- Returns { address =, requests = function() -> list of { method, path, head, form } }; form: the body of a form, as it is.
return function(rules, opts)
	local dir = process.scratch()
	local lines = {}
	for i, rule in ipairs(rules) do
		process.write(dir .. "/" .. i, answer_of(rule))
		lines[i] = ("%d\t%s\t%s\t%s\t%s\n"):format(i, rule[1], rule[2], rule.when or "-",
			("%s %s %s %s"):format(rule.once and "once" or "-", rule.hang and "hang" or "-", rule.early and "early" or "-",
				rule.late and "late" or "-"))
	end
	process.write(dir .. "/rules", table.concat(lines))
	local address = ask("open", dir, opts and opts.socket)
	process.defer(function()
		ask("close", address)
	end)
	return {
		address = address,
		requests = function()
			local list = {}
			local text = process.exists(dir .. "/requests") and process.read(dir .. "/requests") or ""
			for head in text:gmatch("(.-)\r\n==\n") do
				local method, path = head:match("^(%S+) (%S+)")
				local form = head:match "\r\n\r\n(.*)"
				list[#list + 1] = { method = method, path = path, head = head, form = form }
			end
			return list
		end,
	}
end
