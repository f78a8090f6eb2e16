-- Not under sanitizers.
-- luff completion, in the shells themselves, which complete what somebody would have typed.
local lfs = require "lfs"
local luff = require "luff"
local support = require "spec.support"

-- As luff, but of one repository it says what no registry can make luff say.
local program = [[
#!/bin/sh
case $* in
"ls -- "*/hostile) printf '%s\n' v1 'v3$(touch pwned)' 'v4;touch pwned' 'v5`touch pwned`' -v6 'v7 v8' "v9'" 'v*' ;;
*) exec PROGRAM "$@" ;;
esac
]]

describe("completion", function()
	local server, address, dir, layout

	setup(function()
		server = luff.serve { record = true }
		address, dir = server:address(), support.scratch()
		layout = "oci:" .. dir .. "/layout"
		for _, name in ipairs { "v1", "v1-alpine", "latest" } do
			support.make_image(layout .. ":" .. name)
		end
		support.make_image(address .. "/team/app:v2")
		support.make_image(address .. "/team/base:v3")
		-- The shells find luff on PATH, and no file here.
		support.must { "mkdir", dir .. "/bin", dir .. "/here" }
		support.write(dir .. "/bin/luff", (program:gsub("PROGRAM", { PROGRAM = support.quote(support.program) })))
		-- However slow this machine is.
		support.write(dir .. "/bin/timeout", '#!/bin/sh\nshift\nexec "$@"\n')
		support.must { "chmod", "+x", dir .. "/bin/luff", dir .. "/bin/timeout" }
	end)
	teardown(function()
		server:close()
	end)

	-- The lines that a shell prints, sorted.
	local function lines_of(argv)
		local lines = {}
		local text = support.must(argv, { cwd = dir .. "/here", env = { PATH = dir .. "/bin:" .. os.getenv "PATH" } })
		for line in text:gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		table.sort(lines)
		return lines
	end

	-- What the shell makes of a line by ways of its own, each as a function of the line.
	local shells = {}

	function shells.bash(line)
		return lines_of { "bash", "--norc", "-c", [=[
			source <(luff completion bash)
			COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'
			COMP_LINE=$1 COMP_POINT=${#1}
			read -ra COMP_WORDS < <(sed 's/:/ : /g' <<<"$1")
			[[ $1 != *' ' ]] || COMP_WORDS+=('')
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			complete -p luff | grep -q -- '-F _luff luff$' || exit 1
			_luff luff "${COMP_WORDS[COMP_CWORD]}" ''
			cut=${1##* }
			[[ $cut == *:* ]] && cut=${cut%:*}: || cut=
			printf '%s\n' "${COMPREPLY[@]/#/$cut}"
		]=], "bash", line }
	end

	function shells.zsh(line)
		return lines_of { "zsh", "-f", "-c", [=[
			function compdef { [[ $* == "_luff luff" ]] }
			function _files { }
			function _describe { local name=${@[-1]}; print -rl -- ${${(@P)name}%%:*} | grep -e "^$PREFIX" }
			function compadd { print -rl -- ${(M)${(@P)2}:#$PREFIX*} }
			source <(luff completion zsh)
			words=(${(s: :)1}) && [[ $1 == *' ' ]] && words+=('')
			CURRENT=$#words PREFIX=$words[-1]
			_luff
		]=], "zsh", line }
	end

	function shells.fish(line)
		return lines_of { "fish", "--no-config", "-c",
			"luff completion fish | source; complete -C $argv[1] | string replace -r '\\t.*' ''; true", line }
	end

	for _, name in ipairs { "bash", "zsh", "fish" } do
		local function complete(line)
			if not support.peer(name) then
				pending(name .. " is not installed")
			end
			return shells[name](line)
		end
		describe("of " .. name, function()
			it("knows commands and their aliases", function()
				assert.same({ "completion", "config", "convert", "copy" }, complete "luff co")
				assert.same({ "save" }, complete "luff sa")
			end)

			it("knows the options of a command", function()
				assert.same({ "--json" }, complete "luff ls --js")
				assert.same({ "--plain-http", "--platform" }, complete "luff cp --pla")
			end)

			it("knows what a command takes beside names", function()
				assert.same({ "zsh" }, complete "luff completion z")
				assert.same({ "history" }, complete "luff help hi")
				assert.same({ "settings" }, complete "luff help set")
			end)

			it("asks a layout for its tags", function()
				assert.same({ layout .. ":v1", layout .. ":v1-alpine" }, complete("luff copy " .. layout .. ":v"))
			end)

			it("asks a registry for repositories and tags", function()
				assert.same({ address .. "/team/app", address .. "/team/base" }, complete("luff tree " .. address .. "/te"))
				assert.same({ address .. "/team/app:v2" }, complete("luff copy " .. address .. "/team/app:"))
			end)

			it("asks nobody whose name is not there", function()
				server:requests()
				complete "luff copy alp"
				complete("luff copy " .. address)
				assert.same({}, server:requests())
			end)

			it("lets nothing through that a shell would run", function()
				assert.same({ address .. "/hostile:v1" }, complete("luff digest " .. address .. "/hostile:"))
				assert.is_nil(lfs.attributes(dir .. "/here/pwned"))
			end)
		end)
	end

	it("is refused for other shells", function()
		assert.same({ code = 2, stdout = "", stderr = 'luff: no completion for "fisch" (did you mean "fish"?); '
			.. "want bash, zsh or fish\n" }, support.luff("completion", "fisch"))
	end)
end)
