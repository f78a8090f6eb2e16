-- Plan, then apply: what a script would write, as a list of steps, which can be shown, kept in a folder and done later. The write
-- gate makes them (core/mediums/gate.c), which stands in front of all places while a plan is made.
local core = require "luff.core"
local fail = require "luff.fail"
local terminal = require "luff.terminal"

local plan = {}

-- A sandbox takes core's functions away while a plan is made.
local begin, finish, array, encode = core.plan_begin, core.plan_end, core.array, core.encode

local FILE_MAX = 512 * 1024 * 1024 -- bytes of a plan's document

local function path_of(folder)
	return folder .. "/plan.json"
end

--- Begins a dry run: nothing is written from now on. folder: where what was made on the way is kept; nil: nowhere.
function plan.begin(folder)
	local file = folder and io.open(path_of(folder), "r")
	if file then
		file:close()
		fail("exists", "%s: there is a plan already", folder)
	end
	begin(folder)
end

--- Ends it; returns the steps. With a folder the plan is written there.
function plan.finish(folder)
	local steps = array(finish())
	if folder then
		-- whoever sees the document sees all of it
		local path = path_of(folder)
		local file, message = io.open(path .. ".new", "w")
		local written = file and file:write(encode({ version = 1, steps = steps }, { indent = true }), "\n")
		local closed = file and file:close()
		if not written or not closed or not os.rename(path .. ".new", path) then
			fail("io", "%s: cannot write the plan%s", folder, message and ": " .. message or "")
		end
	end
	return steps
end

--- Runs f(…) dry; returns the steps. What f raises is raised, and there is no plan then.
function plan.dry_run(f, opts, ...)
	local folder = opts and opts.folder
	plan.begin(folder)
	local ok, err = pcall(f, ...)
	if not ok then
		finish()
		error(err, 0)
	end
	return plan.finish(folder)
end

--- The steps of the plan in a folder.
function plan.read(folder)
	local file, message = io.open(path_of(folder), "r")
	if not file then
		fail("not_found", "%s: no plan is there: %s", folder, message)
	end
	local text = file:read(FILE_MAX + 1) or ""
	file:close()
	if #text > FILE_MAX then
		fail("too_large", "%s: the plan has more than %d bytes", folder, FILE_MAX)
	end
	local ok, document = pcall(core.decode, text)
	if not ok then
		fail("bad_format", "%s: %s", path_of(folder), document.message or document)
	end
	if type(document) ~= "table" or document.version ~= 1 or type(document.steps) ~= "table" then
		fail("bad_format", "%s: this is no plan of this luff", folder)
	end
	return document.steps
end

--- Does what the plan in a folder says, or nothing where a name stands for something else than when it was made ("denied").
function plan.apply(folder)
	core.plan_apply(plan.read(folder), folder)
end

-- "host/app:v1" of a step with a name, "host/app@sha256:…" of others.
local function name_of(step)
	local digest = terminal.short(step.digest)
	local mark = step.tag and step.tag ~= "" and ":" .. step.tag or step.tag and "" or "@" .. digest
	return terminal.printable(step.place .. mark)
end

local verbs = { manifest = "write", untag = "untag", delete = "delete", delete_blob = "delete" }

--- Steps for people, one a line; blobs are counted only.
function plan.describe(steps)
	local rows, count, blobs, bytes = {}, 0, 0, 0
	for _, step in ipairs(steps) do
		if step.kind == "blob" then
			count, blobs, bytes = count + 1, blobs + 1, bytes + step.size
		elseif step.kind == "tag" then
			count = count + 1
			rows[#rows + 1] = { "tag", name_of(step), terminal.short(step.digest), not step.before and "new"
				or step.before == step.digest and "as it is" or "was " .. terminal.short(step.before) }
		elseif step.kind ~= "stands" then
			count = count + 1
			rows[#rows + 1] = { verbs[step.kind], name_of(step), terminal.short(step.digest), "" }
		end
	end
	return terminal.align(rows) .. ("%d steps, %d blobs (%s) to move\n"):format(count, blobs, terminal.size(bytes))
end

--- As the program runs dry: f gives an exit code, or ends it by os.exit. Shows the plan on stderr, unless that failed.
function plan.run(folder, f, ...)
	local exit, finished = os.exit, false
	local function conclude(fine)
		if finished then
			return
		end
		finished = true
		if fine then
			io.stderr:write(plan.describe(plan.finish(folder)), "nothing was done: this was a dry run\n")
		else
			finish()
		end
	end
	function os.exit(code, close) -- luacheck: ignore
		conclude(code == nil or code == true or code == 0)
		exit(code, close)
	end
	plan.begin(folder)
	local ok, result = pcall(f, ...)
	conclude(ok and result == 0)
	if not ok then
		error(result, 0)
	end
	return result
end

return plan
