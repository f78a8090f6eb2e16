-- A page of HTML that stands alone: its style, its script, and text made safe. Nothing in it comes from the network, and a policy
-- in the page forbids whatever is not this script.
local luff = require "luff"
local terminal = require "luff.terminal"

local page = {}

local NAME_MAX = 400 -- characters of one text

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- Any text as HTML, in an element or in a quoted attribute: nothing of it has a meaning, or hides.
function page.text(value)
	return (terminal.cut(terminal.printable(value), NAME_MAX):gsub("[&<>\"']", entities))
end

local style = [[
:root{color-scheme:light dark;--ground:#fbfbfa;--card:#fff;--ink:#1c1e21;--soft:#5d636b;--line:#e2e3e1;
--accent:#2f6f8f;
--bar:#9cc3d5;--warn:#a4551e;--mark:#fff2c2}
@media(prefers-color-scheme:dark){:root{--ground:#15171a;--card:#1c1f23;--ink:#e4e6e8;--soft:#9aa1a9;--line:#2e3238;
--accent:#7fb8d4;--bar:#2f5d73;--warn:#e0a06a;--mark:#4a3f14}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:68rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.5rem 0 .25rem}
p.note{color:var(--soft);margin:.1rem 0 .75rem;font-size:.875rem}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85em;overflow-wrap:anywhere}
.soft{color:var(--soft)}.warn{color:var(--warn)}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.75rem 0 0;font-size:.9rem}
dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere}
ul.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;list-style:none;
padding:0;margin:1.5rem 0 0}
ul.cards li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}
ul.cards b{display:block;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
ul.cards span{color:var(--soft);font-size:.8rem}
.stack{display:flex;height:1.1rem;border-radius:.3rem;overflow:hidden;margin:.5rem 0 1rem;background:var(--line)}
.stack i{background:var(--accent);min-width:1px;border-right:1px solid var(--ground)}
.stack i:nth-child(even){background:var(--bar)}
ol.layers{list-style:none;margin:0;padding:0;border-top:1px solid var(--line)}
ol.layers>li{display:grid;grid-template-columns:2rem 8rem 5.5rem 1fr;gap:.1rem .75rem;padding:.5rem 0;
border-bottom:1px solid var(--line);
align-items:center}
ol.layers .n{color:var(--soft);font-variant-numeric:tabular-nums}
ol.layers .cmd{grid-column:4;margin:0}
ol.layers .more{grid-column:4;color:var(--soft);font-size:.8rem}
.bar{display:inline-block;height:.55rem;background:var(--line);border-radius:.3rem;overflow:hidden;
vertical-align:middle;width:100%}
.bar i{display:block;height:100%;background:var(--accent);border-radius:.3rem}
.size{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.4rem .75rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
tbody tr:last-child td,tbody tr:last-child th{border-bottom:0}
thead th{font-weight:600;color:var(--soft);font-size:.8rem;white-space:nowrap}
tbody th{font-weight:600}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th button{all:unset;cursor:pointer;color:inherit}
th button:focus-visible,summary:focus-visible,input:focus-visible,.scroll:focus-visible{
outline:2px solid var(--accent);outline-offset:2px}
th[aria-sort] button{color:var(--ink)}
th[aria-sort=descending] button::after{content:" ↓"}th[aria-sort=ascending] button::after{content:" ↑"}
.find{display:flex;gap:.75rem;align-items:center;flex-wrap:wrap;margin:.5rem 0 .75rem}
.find input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;
padding:.4rem .7rem;
flex:1 1 14rem;max-width:26rem;min-width:0}
.tree,.tree ul{list-style:none;margin:0;padding:0}
.tree ul{padding-left:1.1rem;border-left:1px solid var(--line);margin-left:.45rem}
.tree summary,.tree .leaf{display:grid;grid-template-columns:1fr 4.5rem 5rem;gap:.75rem;align-items:center;
padding:.14rem .25rem;
border-radius:.25rem;font-size:.9rem}
.tree summary{cursor:pointer;list-style:none}.tree summary::-webkit-details-marker{display:none}
.tree summary:hover,.tree .leaf:hover{background:var(--line)}
.tree summary .name::before{content:"▸";color:var(--soft);display:inline-block;width:1rem}
.tree details[open]>summary .name::before{content:"▾"}
.tree .leaf .name{padding-left:1rem}
.tree .name{overflow-wrap:anywhere}.tree .name small{color:var(--soft)}
.tree .hit>.leaf .name,.tree .hit>details>summary .name{background:var(--mark)}
footer{margin-top:3rem;color:var(--soft);font-size:.8rem}
[hidden]{display:none!important}
@media(max-width:40rem){main{padding:1.25rem .9rem 3rem}ol.layers>li{grid-template-columns:1.5rem 1fr 5rem}
ol.layers .cmd,ol.layers .more{grid-column:2/-1}.tree summary,.tree .leaf{
grid-template-columns:1fr 4.7rem}.tree .bar{display:none}
.tree ul{padding-left:.6rem}}
]]

-- Search in trees and tables, tables by column, and arrow keys in trees. Without it everything is there and opens by a click.
local script = [[
(() => {
"use strict";
const all = (s, r) => Array.from(r.querySelectorAll(s));
const name = li => li.querySelector(":scope > .leaf .name, :scope > details > summary .name");
const shown = s => !s.parentElement.parentElement.closest("details:not([open]), [hidden]");
const kids = li => all(":scope > details > ul > li", li);
function find(li, path, word, above) {
	const own = path + "/" + name(li).firstChild.textContent.toLowerCase().replace(/\/$/, "");
	const hit = word !== "" && own.includes(word);
	let below = 0;
	for (const k of kids(li)) below += find(k, own, word, above || hit);
	const d = li.querySelector(":scope > details");
	if (d) {
		if (word === "") { if ("was" in d.dataset) { d.open = d.dataset.was === "1"; delete d.dataset.was; } }
		else { if (!("was" in d.dataset)) d.dataset.was = d.open ? "1" : "0"; d.open = below > 0; }
	}
	li.classList.toggle("hit", hit && !above);
	li.hidden = !(word === "" || hit || above || below > 0);
	return below + (hit ? 1 : 0);
}
for (const box of all("input[data-of]", document)) {
	const list = document.getElementById(box.dataset.of), said = document.getElementById(box.dataset.of + "-found");
	box.addEventListener("input", () => {
		const word = box.value.trim().toLowerCase();
		let n = 0;
		if (list.tagName === "UL") for (const li of list.children) n += find(li, "", word, false);
		else for (const row of list.tBodies[0].rows) {
			row.hidden = !row.textContent.toLowerCase().includes(word);
			n += row.hidden ? 0 : 1;
		}
		said.textContent = word === "" ? "" : n + " found";
	});
	box.closest(".find").hidden = false;
}
for (const button of all("th button", document)) button.addEventListener("click", () => {
	const th = button.closest("th"), table = th.closest("table"), at = th.cellIndex;
	const down = th.getAttribute("aria-sort") === "descending" ? 1 : -1;
	for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
	th.setAttribute("aria-sort", down < 0 ? "descending" : "ascending");
	const key = row => row.cells[at].dataset.v ?? row.cells[at].textContent;
	const numeric = th.classList.contains("num");
	table.tBodies[0].append(...Array.from(table.tBodies[0].rows).sort((a, b) =>
		down * (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), undefined, { numeric: true }))));
});
for (const tree of all(".tree", document)) tree.addEventListener("keydown", e => {
	const here = e.target.closest("summary");
	if (!here) return;
	const d = here.parentElement;
	const seen = all("summary", tree).filter(shown), at = seen.indexOf(here);
	let to;
	if (e.key === "ArrowDown") to = seen[at + 1];
	else if (e.key === "ArrowUp") to = seen[at - 1];
	else if (e.key === "ArrowRight") { if (d.open) to = seen[at + 1]; else d.open = true; }
	else if (e.key === "ArrowLeft") {
		if (d.open) d.open = false;
		else to = d.parentElement.closest("details")?.querySelector("summary");
	} else return;
	e.preventDefault();
	to?.focus();
});
})();
]]

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- Base64 of bytes that are written in hexadecimal.
local function base64(hex)
	local bytes = hex:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
	local out = {}
	for i = 1, #bytes, 3 do
		local a, b, c = bytes:byte(i, i + 2)
		local n = a * 65536 + (b or 0) * 256 + (c or 0)
		for k = 3, 0, -1 do
			local at = math.floor(n / 64 ^ k) % 64 + 1
			out[#out + 1] = (k == 1 and not b or k == 0 and not c) and "=" or digits:sub(at, at)
		end
	end
	return table.concat(out)
end

--- The whole page. parts: pieces of HTML in their order.
function page.whole(title, parts)
	local hash = base64((luff.digest(script):gsub("^sha256:", "")))
	return table.concat {
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ",
		"script-src 'sha256-", hash, "'; base-uri 'none'; form-action 'none'\">\n",
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
		"<meta name=\"referrer\" content=\"no-referrer\">\n<title>", page.text(title), "</title>\n<style>\n", style,
		"</style>\n</head>\n<body>\n<main>\n", table.concat(parts), "</main>\n<script>", script,
		"</script>\n</body>\n</html>\n",
	}
end

--- A bar that is part of a whole, for the eye alone.
function page.bar(part, whole)
	return ('<span class="bar" aria-hidden="true"><i style="width:%.1f%%"></i></span>'):format(
		whole > 0 and math.min(100 * part / whole, 100) or 0)
end

function page.cards(list)
	local out = { '<ul class="cards">\n' }
	for _, card in ipairs(list) do
		out[#out + 1] = ("<li><b>%s</b> <span>%s</span></li>\n"):format(page.text(card[1]), page.text(card[2]))
	end
	out[#out + 1] = "</ul>\n"
	return table.concat(out)
end

--- Pairs of a name and a text; those without a text are left out. A third, true: as code.
function page.facts(list)
	local out = { '<dl class="facts">\n' }
	for _, fact in ipairs(list) do
		if fact[2] and fact[2] ~= "" then
			out[#out + 1] = (fact[3] and "<dt>%s</dt><dd><code>%s</code></dd>\n" or "<dt>%s</dt><dd>%s</dd>\n"):format(
				page.text(fact[1]), page.text(fact[2]))
		end
	end
	out[#out + 1] = "</dl>\n"
	return table.concat(out)
end

function page.heading(text, note)
	note = note and ('<p class="note">%s</p>\n'):format(page.text(note)) or ""
	return ("<h2>%s</h2>\n"):format(page.text(text)) .. note
end

--- A field that searches the list or table with that id.
function page.find(id, label)
	return ([[<div class="find" hidden><input type="search" data-of="%s" aria-label="%s" placeholder="%s">
<span class="soft" id="%s-found" role="status"></span></div>
]]):format(id, page.text(label), page.text(label), id)
end

--- A table. columns: { title, num (true: aligned to the right), sort (true), code (true) }; rows: a list of cells each, a text or
-- { text, value (for sorting) }; the first is the row's head. more: a last line.
function page.table(id, label, columns, rows, more)
	local out = { ('<div class="scroll" tabindex="0" role="region" aria-label="%s"><table id="%s">\n<thead><tr>')
		:format(page.text(label), id) }
	for _, column in ipairs(columns) do
		local title = page.text(column.title)
		out[#out + 1] = ('<th scope="col"%s%s>%s</th>'):format(column.num and ' class="num"' or "",
			column.sorted and ' aria-sort="descending"' or "",
			column.sort and '<button type="button">' .. title .. "</button>" or title)
	end
	out[#out + 1] = "</tr></thead>\n<tbody>\n"
	for _, row in ipairs(rows) do
		out[#out + 1] = "<tr>"
		for i, column in ipairs(columns) do
			local cell = row[i]
			local text, value = cell, nil
			if type(cell) == "table" then
				text, value = cell[1], cell[2]
			end
			local inside = column.code and "<code>" .. page.text(text) .. "</code>" or page.text(text)
			local tag = i == 1 and "th" or "td"
			out[#out + 1] = ("<%s%s%s%s>%s</%s>"):format(tag, i == 1 and ' scope="row"' or "",
				column.num and ' class="num"' or "", value and (' data-v="%s"'):format(page.text(value)) or "", inside, tag)
		end
		out[#out + 1] = "</tr>\n"
	end
	out[#out + 1] = "</tbody></table></div>\n"
	if more then
		out[#out + 1] = ('<p class="note">%s</p>\n'):format(page.text(more))
	end
	return table.concat(out)
end

return page
