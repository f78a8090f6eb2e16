-- Not under the thread sanitizer.
-- Texts with places to fill in.
local luff = require "luff"
local support = require "spec.support"
local template = require "luff.template"

local data = { Ref = { Tag = "v1", Repository = "Org/App" }, list = luff.array { "a", "b" }, empty = luff.array {},
	n = 3,
	none = luff.null, no = false, map = { x = 1, y = 2 } }

describe("luff.template", function()
	it("fills in fields, values and functions", function()
		for text, want in pairs {
			["bkup-{{.Ref.Tag}}"] = "bkup-v1", ["{{ .Ref.Repository | lower }}/{{ upper .Ref.Tag }}"] = "org/app/V1",
			['{{ "a\\"b" }}{{ `}}\\` }}{{ 12 }}{{ true }}'] = 'a"b}}\\12true', ['{{ join .list "," }}'] = "a,b",
			['{{ index (split "a/b/c" "/") 1 }}'] = "b", ['{{ default "x" .missing }}{{ .none | default "y" }}'] = "xy",
			['{{ .missing.deeper | default "-" }}'] = "-", ["{{ json .map }}"] = '{"x":1,"y":2}',
			["{{ .map }}"] = '{"x":1,"y":2}',
			["{{ trimSpace `  a ` }}|"] = "a|", ['{{ printf "%s-%03d" .Ref.Tag .n }}'] = "v1-003", ["{{ len .list }}"] = "2",
			['{{ print "a" 1 }}{{ println .n "b" }}'] = "a13 b\n", ["a {{- /* no }} here */ -}} b"] = "ab",
			["{{ (index .list 0) }}"] = "a",
			["x {{- .n -}} y {{ .n }}"] = "x3y 3", ["{{ jsonPretty .list }}"] = '[\n  "a",\n  "b"\n]', ["{{ $.n }}"] = "3",
			[""] = "",
		} do
			assert.equal(want, template.render(text, data), text)
		end
	end)

	it("branches and repeats", function()
		for text, want in pairs {
			['{{ if eq .n 3 }}y{{ else }}n{{ end }}'] = "y", ["{{ if .no }}a{{ else if .empty }}b{{ else }}c{{ end }}"] = "c",
			["{{ range .list }}<{{ . }}{{ $.n }}>{{ end }}"] = "<a3><b3>",
			["{{ range .empty }}a{{ else }}none{{ end }}"] = "none",
			["{{ range .map }}{{ . }}{{ end }}"] = "12", ["{{ with .Ref }}{{ .Tag }}{{ else }}-{{ end }}"] = "v1",
			["{{ if and .n (not .no) (or .no .list) }}y{{ end }}"] = "y",
			["{{ if gt .n 2 }}{{ if lt .n 4 }}in{{ end }}{{ end }}"] = "in",
			["{{ if ne .Ref.Tag `v1` }}x{{ end }}|{{ if le .n 3 }}{{ ge .n 3 }}{{ end }}"] = "|true",
		} do
			assert.equal(want, template.render(text, data), text)
		end
	end)

	it("gives values names", function()
		for text, want in pairs {
			["{{ $t := .Ref }}{{ $t.Tag }}{{ with $t }}{{ $n := 7 }}{{ .Tag }}{{ $n }}{{ end }}"] = "v1v17",
			["{{ $x := 1 }}{{ range .list }}{{ $x := . }}{{ $x }}{{ end }}{{ $x }}"] = "ab1",
			['{{- $s := printf "%s!" .Ref.Tag -}} {{ $s | upper }}{{ if $s }}{{ $s }}{{ end }}'] = "V1!v1!",
			["{{ $t := time.Now }}{{ if gt $t.Year 2000 }}{{ le $t.Month 12 }}{{ end }}"] = "true",
		} do
			assert.equal(want, template.render(text, data), text)
		end
		assert.truthy(support.fails(template.compile, "{{ with .n }}{{ $x := 1 }}{{ end }}{{ $x }}").message
			:find('no variable "$x"', 1, true))
	end)

	it("knows times", function()
		assert.equal(os.date "!%Y%m", template.render('{{ time.Now.Format "200601" }}', {}))
		assert.equal("Thu Feb 29 12:30:05 PM +0000 2024 2/29 12h", template.render(
			'{{ (time.Parse "2006-01-02" "2024-02-29" | at).Format "Mon Jan 02 03:04:05 PM -0700 2006 1/2 3h" }}', {},
			{ functions = { at = function(t) return t:Add "12h30m5s" end } }))
		assert.equal("1709209805",
			template.render('{{ (time.Parse "2006-01-02T15:04:05Z07:00" "2024-02-29T12:30:05Z").Unix }}', {}))
	end)

	it("takes more functions", function()
		assert.equal("<x>", template.render('{{ "x" | wrap }}', {},
			{ functions = { wrap = function(s) return "<" .. s .. ">" end } }))
	end)

	it("reads neither files nor the environment", function()
		for _, name in ipairs { "env", "file" } do
			assert.truthy(support.fails(template.compile, ('{{ %s "HOME" }}'):format(name)).message:find "no function")
		end
	end)

	it("refuses what is wrong, and says where", function()
		for text, message in pairs {
			["a\n{{ .x"] = "line 2: a {{ is not closed", ["{{ uper .x }}"] = 'no function "uper" (did you mean "upper"?)',
			["{{ if .x }}a"] = "if has no end", ["{{ end }}"] = "end without", ["{{ .x"] = "not closed",
			["{{ }}"] = "a value is missing",
			["{{ .x | }}"] = "a value is missing", ["{{ (.x }}"] = "a ( is not closed", ["{{ .x ) }}"] = '")" has no place',
			["{{ define `x` }}"] = "define is not supported", ['{{ "x" 1 }}'] = "no function takes",
			["{{ .x | .y }}"] = "stands a function",
			["{{ if .x }}{{ else }}{{ else }}{{ end }}"] = "a second else", ["{{ # }}"] = '"#" has no place',
			["{{ .x := 1 }}"] = '":="',
			[("{{ if .x }}"):rep(200)] = "nested too deep", ["{{" .. ("("):rep(200)] = "not closed",
			['{{ "\\q" }}'] = "no escape",
		} do
			local err = support.fails(template.compile, text)
			assert.equal("bad_format", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		for text, message in pairs { ["{{ .nothing }}"] = "no value for {{ .nothing }}",
			["{{ .n.x }}"] = "number has no field .x",
			['{{ join .n "," }}'] = "join: ", ["{{ lt .n `a` }}"] = "cannot compare", ['{{ printf "%d" "x" }}'] = "printf: " } do
			assert.truthy(support.fails(template.render, text, data).message:find(message, 1, true), text)
		end
		assert.equal("too_large", support.fails(template.render, ("{{ .x }}"):rep(100), { x = ("x"):rep(1 << 17) }).code)
	end)
end)
