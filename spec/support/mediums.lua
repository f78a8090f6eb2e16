-- Every medium that a name can reach, for suites that run over all of them.
--
-- Each is { name =, missing = (why it is not here, else nil), start(), stop(), place() }: place() gives a new, empty
-- place ("memory:a1", "oci:/tmp/…", "127.0.0.1:4000/a1") that takes ":tag" and "@digest". start() and stop() belong
-- into setup and teardown.
local process = require "spec.support.process"

local made = 0
local function fresh()
	made = made + 1
	-- busted loads this file anew for each spec, while places in memory stay
	return ("place%d-%x"):format(made, math.random(0, 1 << 40))
end

local function nothing() end

local function served(name, options)
	local server
	return {
		name = name,
		start = function()
			server = require "luff".serve { root = options.folder and process.scratch() or nil }
		end,
		stop = function()
			server:close()
		end,
		place = function()
			return server:address() .. "/spec/" .. fresh()
		end,
	}
end

local docker
return {
	{ name = "memory", start = nothing, stop = nothing, place = function()
		return "memory:" .. fresh()
	end },
	{ name = "an OCI layout", start = nothing, stop = nothing, place = function()
		return "oci:" .. process.scratch() .. "/" .. fresh()
	end },
	{ name = "an OCI layout in a tar", start = nothing, stop = nothing, place = function()
		return "oci-archive:" .. process.scratch() .. "/" .. fresh()
	end },
	served("the embedded registry in memory", {}),
	served("the embedded registry on disk", { folder = true }),
	{ name = "docker-registry",
		missing = not process.peer("docker-registry") and "docker-registry is not installed" or nil,
		start = function()
			docker = process.docker_registry()
		end,
		stop = function()
			docker:stop()
		end,
		place = function()
			return docker.address .. "/spec/" .. fresh()
		end },
}
