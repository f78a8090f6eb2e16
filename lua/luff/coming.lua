-- What crane's, skopeo's and regctl's commands are in luff: a topic of luff help, and what a spec holds against the tools.
local terminal = require "luff.terminal"

local coming = {}

--- For each tool: { its command, luff's }.
coming.tools = {
	{ name = "crane", rows = {
		{ "append -b BASE -f T -t DEST", "append BASE -f T -t DEST" },
		{ "auth get|login|logout", "auth get, login, logout" },
		{ "blob NAME@DIGEST", "blob NAME@DIGEST" },
		{ "catalog REGISTRY", "catalog REGISTRY" },
		{ "config NAME", "config NAME" },
		{ "copy FROM TO", "copy FROM TO" },
		{ "delete NAME", "delete NAME" },
		{ "digest NAME", "digest NAME" },
		{ "export NAME FILE", "export NAME -o FILE" },
		{ "flatten NAME -t DEST", "flatten NAME -t DEST" },
		{ "index append|filter", "index append|filter (also create, list, remove)" },
		{ "ls REPOSITORY", "ls REPOSITORY" },
		{ "manifest NAME", "manifest NAME" },
		{ "mutate NAME -t DEST", "mutate NAME -t DEST" },
		{ "pull NAME FILE", "pull NAME FILE" },
		{ "push FILE NAME", "push FILE NAME" },
		{ "rebase NAME --old_base A", "rebase NAME --old-base A --new-base B -t DEST" },
		{ "registry serve", "serve" },
		{ "tag NAME TAG", "tag NAME TAG" },
		{ "validate --remote NAME", "validate NAME" },
	} },
	{ name = "skopeo", rows = {
		{ "copy docker://FROM oci:DIR:TAG", "copy FROM oci:DIR:TAG" },
		{ "copy --all", "copy (all of an index is what luff copies)" },
		{ "copy docker://FROM dir:DIR", "copy --platform linux/amd64 FROM dir:DIR" },
		{ "delete docker://NAME", "delete NAME" },
		{ "inspect docker://NAME", "inspect NAME" },
		{ "inspect --raw docker://NAME", "manifest NAME" },
		{ "inspect --config --raw docker://NAME", "config NAME" },
		{ "list-tags docker://REPOSITORY", "ls REPOSITORY" },
		{ "login, logout", "login, logout" },
		{ "sync", "mirror FROM TO" },
	} },
	{ name = "regctl", rows = {
		{ "artifact get|put|list|tree", "artifact pull|push|tree, referrers" },
		{ "blob get REPOSITORY DIGEST", "blob NAME@DIGEST" },
		{ "image copy FROM TO", "copy FROM TO" },
		{ "image digest NAME", "digest NAME" },
		{ "image export NAME FILE", "pull NAME FILE" },
		{ "image get-file NAME PATH", "cat NAME PATH" },
		{ "image import NAME FILE", "push FILE NAME" },
		{ "image inspect NAME", "config NAME" },
		{ "image manifest NAME", "manifest NAME" },
		{ "image mod NAME", "mutate NAME -t DEST" },
		{ "image ratelimit NAME", "ratelimit NAME" },
		{ "index create|add|delete", "index create|append|remove" },
		{ "registry login", "login" },
		{ "repo ls REGISTRY", "catalog REGISTRY" },
		{ "tag ls REPOSITORY", "ls REPOSITORY" },
		{ "tag delete NAME", "delete NAME" },
	} },
}

local head = [[
Names are the same; docker:// may stand in front or not. A bare name is in a registry, oci:DIR:TAG in a
layout, and so on (luff help names): every command takes names of every kind.

]]

local tail = [[
What is different: luff copies an index with all its images unless --platform says otherwise, has no
--insecure-policy and no --all, speaks http with --plain-http, prints the digest of what it wrote, and
sends all else to stderr. Exit codes tell what went wrong (luff help exit-codes).

Configurations of regbot, regsync and skopeo sync do as they are (luff help regbot, sync), and become scripts
(luff help convert).
]]

--- As luff help shows it.
function coming.text()
	local parts = { head }
	for _, tool in ipairs(coming.tools) do
		local rows = {}
		for i, row in ipairs(tool.rows) do
			rows[i] = { tool.name .. " " .. row[1], "luff " .. row[2] }
		end
		parts[#parts + 1] = terminal.align(rows, nil, "  ") .. "\n"
	end
	parts[#parts + 1] = tail
	return table.concat(parts)
end

return coming
