-- Recipes, each of which a spec runs: in shell, or in Lua where they begin with "local".
local cookbook = {}

--- { title, code } each; names under docker.io and registry.example.com are what a reader puts his own in place of.
cookbook.recipes = {
	{ "Copy an image of one platform", [[
luff copy --platform linux/arm64 docker.io/library/alpine:3.20 registry.example.com/base/alpine:3.20
]] },
	{ "Keep the newest of the last two minor lines in a registry of your own", [[
luff mirror --semver '>=3' --per minor --newest 2 \
	docker.io/library/alpine registry.example.com/mirror/alpine
]] },
	{ "Carry images to a place without a network", [[
luff pull docker.io/library/alpine:3.20 docker.io/library/alpine:3.19 images.tar
# there:
luff push images.tar:docker.io/library/alpine:3.20 registry.example.com/base/alpine:3.20
luff push images.tar:docker.io/library/alpine:3.19 registry.example.com/base/alpine:3.19
]] },
	{ "See what is new between two versions", [[
luff diff docker.io/library/alpine:3.19 docker.io/library/alpine:3.20 '/etc/**'
]] },
	{ "Put files on an image without Docker", [[
mkdir -p rootfs/etc
echo 'Welcome.' >rootfs/etc/motd
tar -C rootfs -cf motd.tar etc
luff append docker.io/library/alpine:3.20 -f motd.tar -t registry.example.com/team/motd:v1
luff cat registry.example.com/team/motd:v1 /etc/motd
]] },
	{ "Make an image from nothing", [[
local luff = require "luff"
local image = luff.empty { platform = "linux/amd64" }
	:append { files = { ["app/hi.txt"] = "hi\n", ["app/run"] = { content = "#!/bin/sh\n", mode = 493 } } }
	:configure(function(config) config.config.Cmd = { "/app/run" } end)
print(luff.copy(image, "registry.example.com/team/hello:v1").digest)
]] },
	{ "Set the user of an image for all its platforms", [[
luff mutate --all-platforms --user nobody docker.io/library/alpine:3.20 \
	-t registry.example.com/team/alpine:nobody
]] },
	{ "Put an image on the newest state of its base", [[
mkdir app
echo 1 >app/version
tar -cf app.tar app
luff append --set-base-image-annotations docker.io/library/alpine:3.19 -f app.tar \
	-t registry.example.com/team/app:v1
# some weeks later:
luff rebase registry.example.com/team/app:v1 --new-base docker.io/library/alpine:3.20 \
	-t registry.example.com/team/app:v1-patched
]] },
	{ "Read a file in every tag, four at a time", [[
local luff = require "luff"
local place = "docker.io/library/alpine"
luff.map(luff.tags(place), { jobs = 4 }, function(tag)
	print(tag, luff.image(place .. ":" .. tag):read "/etc/alpine-release":match "%S+")
end)
]] },
	{ "Find out which version latest is", [[
local luff = require "luff"
local place = "docker.io/library/alpine"
local latest = luff.resolve(place .. ":latest").digest
for tag in luff.tags(place) do
	if tag ~= "latest" and luff.resolve(place .. ":" .. tag).digest == latest then
		print(tag)
	end
end
]] },
	{ "Attach a bill of materials, and find it again", [[
luff copy -q docker.io/library/alpine:3.20 registry.example.com/base/alpine:3.20
echo '{}' >bom.json
luff artifact attach --type application/spdx+json registry.example.com/base/alpine:3.20 bom.json
luff referrers --type application/spdx+json registry.example.com/base/alpine:3.20
]] },
	{ "Check all of an image, layers included", [[
luff validate docker.io/library/alpine:3.20
]] },
	{ "See what makes an image large", [[
luff tree --depth 1 docker.io/library/alpine:3.20
luff report -o alpine.html docker.io/library/alpine:3.20
]] },
	{ "Delete what a tag stands for, with all its tags", [[
luff copy -q docker.io/library/alpine:3.19 registry.example.com/base/alpine:old
luff delete registry.example.com/base/alpine@$(luff digest registry.example.com/base/alpine:old)
]] },
	{ "Try a script against a registry that fails now and then", [[
local luff = require "luff"
local server <close> = luff.serve {
	faults = { { method = "GET", path = "/v2/*/blobs/*", every = 2, status = 503 } },
}
luff.copy("docker.io/library/alpine:3.20", server:address() .. "/alpine:3.20")
local found = luff.validate(server:address() .. "/alpine:3.20")
print(#found .. " findings, " .. #server:requests() .. " requests")
]] },
	{ "Keep going where some of many fail, and say which", [[
local luff = require "luff"
local failed = 0
for _, tag in ipairs { "3.20", "3.20.99", "3.19" } do
	local done, err = luff.try(luff.copy, "docker.io/library/alpine:" .. tag, "oci:./mirror:" .. tag)
	if not done then
		failed = failed + 1
		io.stderr:write(tag, ": ", tostring(err), " (", err.code, ")\n")
	end
end
os.exit(failed > 0 and 1 or 0)
]] },
}

local function each(format)
	local parts = {}
	for i, recipe in ipairs(cookbook.recipes) do
		parts[i] = format(recipe[1], recipe[2], recipe[2]:find "^local" and "lua" or "sh")
	end
	return table.concat(parts, "\n")
end

--- As luff help shows it.
function cookbook.text()
	local head = "In shell, or in Lua for a file that luff runs; the registries stand for your own.\n\n"
	return head .. each(function(title, code)
		return title .. "\n" .. code:gsub("\t", "  "):gsub("[^\n]+", "  %0")
	end)
end

--- As Markdown.
function cookbook.markdown()
	return each(function(title, code, language)
		return ("#### %s\n\n```%s\n%s```\n"):format(title, language, code)
	end)
end

return cookbook
