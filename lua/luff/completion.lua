-- Completion scripts for shells, made from the table of commands. What comes from a registry passes a pattern before a shell
-- sees it as a candidate, and is never text that a shell expands.
local cli = require "luff.cli"

local completion = {}

--- Words that commands take beside names and files.
local function words_of(name)
	if name == "help" then
		local topics = require("luff.topics").names()
		return table.move(cli.commands, 1, #cli.commands, #topics + 1, topics)
	end
	return require("luff.commands." .. name).words or {}
end

-- Each command as { name, names = { name and aliases }, summary, options, words }.
local function commands()
	local list = {}
	for i, name in ipairs(cli.commands) do
		local command = require("luff.commands." .. name)
		local names = { name }
		for alias, target in pairs(cli.aliases) do
			if target == name then
				names[#names + 1] = alias
			end
		end
		list[i] = {
			name = name, names = names, summary = command.summary, words = words_of(name),
			options = cli.command_options(command),
		}
	end
	return list
end

local function typed(declared)
	local words = {}
	for i, option in ipairs(declared) do
		words[i] = "--" .. option.name
	end
	return words
end

-- For bash and zsh: what a word may become, one a line. Only a layout's or registry's own name makes it ask there.
local names_function = [=[
_luff_names() {
	local word=$1 host=${1%%/*} place='' before='' verb=ls line
	local is_host='^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?$' is_name='^[A-Za-z0-9_][A-Za-z0-9._/-]*$'
	if [[ $word == oci:*:* ]]; then
		place=${word%:*} before=$place:
	elif [[ $word == */* && $word != oci:* && $host =~ $is_host && ! -d $host ]] &&
		[[ $host == *[.:]* || $host == localhost ]]; then
		if [[ ${word#*/} == *:* ]]; then
			place=${word%:*} before=$place:
		else
			place=$host before=$host/ verb=catalog
		fi
	fi
	[[ -n $place ]] || return 0
	timeout 5 luff "$verb" -- "$place" 2>/dev/null </dev/null | head -n 5000 | while IFS= read -r line; do
		if [[ $line =~ $is_name && $before$line == "$word"* ]]; then
			printf '%s\n' "$before$line"
		fi
	done
}
]=]

function completion.bash()
	local first, cases = typed(cli.options), {}
	for _, command in ipairs(commands()) do
		table.move(command.names, 1, #command.names, #first + 1, first)
		cases[#cases + 1] = ("\t%s) flags='%s' words='%s' ;;\n"):format(table.concat(command.names, " | "),
			table.concat(typed(command.options), " "), table.concat(command.words, " "))
	end
	return ([=[
# luff for bash; in ~/.bashrc: source <(luff completion bash)
%s
_luff() {
	local word=${COMP_LINE:0:COMP_POINT} verb='' flags='' words='' cut='' i line
	word=${word##*[[:space:]]}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} != -* ]]; then
			verb=${COMP_WORDS[i]}
			break
		fi
	done
	case $verb in
	'') words='%s' ;;
%s	esac
	[[ $word != -* || -z $verb ]] || words=$flags
	COMPREPLY=($(compgen -W "$words" -- "$word"))
	[[ -n $verb && $word != -* ]] || return 0
	# Readline completes what is behind the last colon.
	[[ $COMP_WORDBREAKS != *:* || $word != *:* ]] || cut=${word%%:*}:
	while IFS= read -r line; do
		COMPREPLY+=("${line#"$cut"}")
	done < <(_luff_names "$word")
}
complete -o bashdefault -o default -F _luff luff
]=]):format(names_function, table.concat(first, " "), table.concat(cases))
end

-- 'word:what it is', as _describe takes it.
local function described(word, text)
	return "'" .. (word:gsub(":", "\\:") .. ":" .. text):gsub("'", [['\'']]) .. "'"
end

function completion.zsh()
	local first, cases = {}, {}
	for _, command in ipairs(commands()) do
		local flags = {}
		for _, name in ipairs(command.names) do
			first[#first + 1] = "\t\t" .. described(name, command.summary)
		end
		for i, option in ipairs(command.options) do
			flags[i] = "\t\t" .. described("--" .. option.name, option.help)
		end
		cases[#cases + 1] = ("\t%s) names=(%s) flags=(\n%s\n\t) ;;\n"):format(table.concat(command.names, " | "),
			table.concat(command.words, " "), table.concat(flags, "\n"))
	end
	return ([=[
#compdef luff
# luff for zsh: luff completion zsh > DIR/_luff, where DIR is one of $fpath before compinit
%s
_luff() {
	local -a commands flags names
	if (( CURRENT == 2 )); then
		commands=(
%s
		)
		_describe -t commands command commands
		_files -g '*.lua'
		return
	fi
	case $words[2] in
%s	esac
	if [[ $PREFIX == -* ]]; then
		_describe -o -t options option flags
		return
	fi
	names+=(${(f)"$(_luff_names "$PREFIX")"})
	if (( $#names )); then
		compadd -a names
	else
		_files
	fi
}
if [[ $funcstack[1] == _luff ]]; then
	_luff "$@"
else
	compdef _luff luff
fi
]=]):format(names_function, table.concat(first, "\n"), table.concat(cases))
end

local function fish_quoted(text)
	return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

local fish_start = [=[
# luff for fish: luff completion fish > ~/.config/fish/completions/luff.fish
function __luff_first
	test (count (commandline -opc)) -eq 1
end

function __luff_is
	set -l words (commandline -opc)
	test (count $words) -gt 1; and contains -- $words[2] $argv
end

function __luff_names
	set -l word (commandline -ct)
	set -l host (string split -m 1 / -- $word)[1]
	set -l verb ls
	set -l place
	set -l before
	if string match -qr '^oci:.*:' -- $word
		set place (string replace -r ':[^:]*$' '' -- $word)
		set before $place:
	else if string match -qr '^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/' -- $word
		and string match -qr '[.:]|^localhost$' -- $host
		and not string match -q 'oci:*' -- $word
		and not test -d $host
		if string match -qr '/.*:' -- $word
			set place (string replace -r ':[^:]*$' '' -- $word)
			set before $place:
		else
			set verb catalog
			set place $host
			set before $host/
		end
	end
	test -n "$place"; or return 0
	for line in (timeout 5 luff $verb -- $place 2>/dev/null </dev/null | head -n 5000)
		if string match -qr '^[A-Za-z0-9_][A-Za-z0-9._/-]*$' -- $line
			echo $before$line
		end
	end
end

complete -c luff -n 'not __luff_first' -a '(__luff_names)'
]=]

function completion.fish()
	local lines = {}
	local function add(format, ...)
		lines[#lines + 1] = format:format(...)
	end
	for _, command in ipairs(commands()) do
		for _, name in ipairs(command.names) do
			add("complete -c luff -n __luff_first -a %s -d %s\n", name, fish_quoted(command.summary))
		end
		local is = fish_quoted("__luff_is " .. table.concat(command.names, " "))
		if #command.words > 0 then
			add("complete -c luff -f -n %s -a %s\n", is, fish_quoted(table.concat(command.words, " ")))
		end
		for _, option in ipairs(command.options) do
			add("complete -c luff -n %s -l %s%s%s -d %s\n", is, option.name, option.short and " -s " .. option.short or "",
				option.value and " -r" or "", fish_quoted(option.help))
		end
	end
	return fish_start .. table.concat(lines)
end

return completion
