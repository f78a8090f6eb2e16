-- Plain HTTP, for specs that look at a registry's answers themselves. http.pl does the sending, one for all requests of a file.
local process = require "spec.support.process"

local client

local function chunked(body)
	local half = #body // 2
	local parts = {}
	for _, part in ipairs { body:sub(1, half), body:sub(half + 1) } do
		if part ~= "" then
			parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#part, part)
		end
	end
	return table.concat(parts) .. "0\r\n\r\n"
end

--- One request to http://host:port/…: { status, headers (names in lower case; what comes twice joined by ", "), body }.
-- opts, each optional: headers, body. Status is nil where nothing came that begins like an answer.
return function(method, url, opts)
	opts = opts or {}
	client = client or process.talk { "perl", "spec/support/http.pl" }
	local host, port, path = url:match "^http://([^:/]+):(%d+)(/.*)$"
	local headers = { Connection = "close", Host = host .. ":" .. port }
	local body = opts.body or ""
	if opts.body then
		headers["Content-Type"] = "application/octet-stream"
	end
	for name, value in pairs(opts.headers or {}) do
		headers[name] = value
	end
	if headers["Transfer-Encoding"] == "chunked" then
		body = chunked(body)
	elseif opts.body or method == "POST" or method == "PUT" or method == "PATCH" then
		headers["Content-Length"] = headers["Content-Length"] or #body
	end
	local lines = { ("%s %s HTTP/1.1"):format(method, path) }
	for name, value in pairs(headers) do
		lines[#lines + 1] = ("%s: %s"):format(name, value)
	end
	local bytes = table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
	client.to:write(("%s %s %d\n"):format(host, port, #bytes), bytes)
	client.to:flush()
	local length = assert(client.from:read "*n", "http.pl has ended")
	client.from:read(1)
	local text = length > 0 and client.from:read(length) or ""
	local head, rest = text:match "^(HTTP/1.1 .-\r\n)\r\n(.*)$"
	local answer = {}
	for name, value in (head or ""):gmatch "([%w-]+): ([^\r]*)\r\n" do
		local key = name:lower()
		answer[key] = answer[key] and answer[key] .. ", " .. value or value
	end
	return { status = tonumber((head or ""):match "^HTTP/1.1 (%d+)"), headers = answer, body = rest or "" }
end
