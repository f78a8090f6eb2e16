---@meta luff
-- The public surface of luff: what editors complete, and what the reference says. One description of each function; sizes are
-- bytes, digests are "sha256:…" or "sha512:…". Whatever fails raises a luff.Error, unless it says otherwise.

---@class luff.Error
---@field code string "not_found", "unauthorized", "denied", "digest_mismatch", "size_mismatch", "bad_format", "too_large", "invalid", "invalid_name", "unsupported", "exists", "io", "network", "timeout", "rate_limited", "http", "cancelled", "no_memory"
---@field message string one line that names the thing, the place and the mend; tostring(err) gives it, too
---@field status integer? HTTP status, where a server answered

---@alias luff.name string|luff.Ref a name with its transport: "nginx:1.27", "docker://host/repo@sha256:…", "oci:DIR[:TAG][@DIGEST]", "docker-archive:FILE[:IMAGE]", "oci-archive:FILE[:TAG]", "docker-daemon:NAME", "dir:DIR", "containers-storage:[[DRIVER@FOLDER]]NAME", "containerd:[[NAMESPACE@FOLDER]]NAME", "rootfs:PATH", "random:SHAPE", "memory:NAME[:TAG][@DIGEST]"

---@class luff
---@field _VERSION string "luff 0.1.0"
---@field null lightuserdata JSON's null in decoded documents
---@field json luff.json
local luff = {}

---@class luff.json
luff.json = {}

---A Lua value of a JSON text (RFC 8259). Arrays carry luff.array's mark, so that empty ones stay arrays; null is luff.null. Whole
---numbers of 64 bits are integers. Of objects it is remembered in which order their names stood.
---@param text string at most 64 levels deep, no name twice in one object
---@return any
function luff.json.decode(text) end

---JSON of a Lua value. Names are in the order in which they were decoded, others behind them, sorted; floats have as many digits
---as they need. A table is an array if it has a value at 1 or luff.array's mark, else an object. What
---JSON cannot hold raises: other keys in an array, text that is not UTF-8 or has a NUL, functions.
---@param value any at most 64 levels deep
---@param opts { indent: boolean? }?
---@return string
function luff.json.encode(value, opts) end

---Marks a table as a JSON array and returns it.
---@param t table? a new one where absent
---@return table
function luff.array(t) end

---What this is and stands on: luff, lua, hash; with `libraries` also gunzip (zlib or ISA-L, whichever unpacks gzip),
---libdeflate, zlib, zstd, cjson, libcurl, libmicrohttpd.
---@param opts { libraries: boolean? }?
---@return table<string, string>
function luff.version(opts) end

---The machine's platform: "linux/amd64".
---@return string
function luff.platform() end

---@class luff.HostSettings
---@field scheme "http"|"https"|nil default: http for loopback hosts, https for all others
---@field insecure boolean? take any certificate
---@field address string? "host[:port]" that it is found at, whatever its name; TLS is with that one
---@field ca string? the authorities to trust beside those in the system's folder: the path of a PEM file, or the PEM itself
---@field cert string? the client's certificate, likewise
---@field key string? its key, likewise; default: it is where the certificate is
---@field certs string? folder with these as certs.d has them: *.crt, *.cert and its *.key
---@field socket string? path of the Unix socket that the host listens on
---@field proxy string? URL; "" is none; default: as the environment says
---@field user string? with password; they go before all files and helpers
---@field password string?
---@field helper string? NAME of the credential helper (docker-credential-NAME) that knows the login; before user
---@field helper_server string? what the helper calls the host; default: as docker does
---@field credentials (fun(host: string): luff.Credentials?)? knows the login, before all others; called when the host first wants one, and once more when it refuses that one. Nil: the others are asked. It must not wait for the same host
---@field mirrors string[]? "host[:port][/prefix]": asked first, in this order, for manifests and blobs that are read; never pushed to
---@field connect_timeout integer? seconds; default 30
---@field idle_timeout integer? seconds without a byte; default 60
---@field total_timeout integer? seconds of one request; default: as long as bytes keep moving
---@field requests integer? that wait for their answer at a time; default 16
---@field rate number? requests per second; default: as many as there are
---@field bandwidth number? bytes per second, of all that come from it and go to it together; default: as many as there are
---@field chunk_size integer? bytes of a blob that go up in one request at most; default: all of it, where it is taken

---@class luff.Credentials user and password, or one of the tokens
---@field user string?
---@field password string?
---@field identity_token string? that a token server takes in place of a password
---@field token string? that the registry takes as it is

---How hosts are spoken to by this process from now on, by name: { hosts = { ["registry.example:5000"] = { … } } }. What was
---said of a host before is replaced. The luff program reads the same table from luff/config.lua in $XDG_CONFIG_HOME or
---~/.config, a file of Lua that returns it. Certificates in the certs.d folders of Docker and Podman are found without.
---`limits` says how far compressed layers may unpack before they are taken for bombs ("too_large"): bytes of one layer
---(`unpacked`, 128 GiB where absent), and bytes for each one that is stored, where they are more than 1 GiB (`ratio`, 250).
---
---`cache` keeps in a folder (an OCI layout without names) what is read from registries and mediums in Lua, and takes it from there
---the next time: at most `max` bytes, 10 GiB where absent, beyond which what was not used for longest goes. Names are still asked
---for. Any number of programs may share it. False: no cache any more.
---
---`logins = false`: nobody looks for logins where docker, podman and skopeo keep them; `hosts` alone knows them.
---
---on_warning hears what registries have to say to people (Warning headers): each text once from each registry, on one line
---without control characters, after the call that met it. What it raises, that call raises. False: nobody hears it. The luff
---program begins with one that writes to stderr, the module alone with none.
---
---on_progress hears of each blob that is read or written, and how far that is, in whatever is called from now on; of calls that
---bring a function of their own (`progress` of luff.copy) only that one does. What it raises, ends the call. False: nobody hears it.
---@param settings { hosts: table<string, luff.HostSettings>?, limits: { unpacked: integer?, ratio: integer? }?, cache: false|{ dir: string, max: integer? }|nil, logins: boolean?, on_warning: false|fun(registry: string, text: string)?, on_progress: false|fun(event: luff.ProgressEvent)? }
function luff.config(settings) end

---Digest of bytes at hand or of a file.
---@param content string|{ file: string }
---@param algorithm "sha256"|"sha512"|nil "sha256" where absent
---@return string
function luff.digest(content, algorithm) end

---A name in a registry as a value, after the distribution grammar with Docker's defaults.
---@param text string
---@return luff.Ref
function luff.ref(text) end

---@class luff.Ref
---@field registry string "docker.io"
---@field repository string "library/nginx"
---@field tag string? "latest" where neither tag nor digest was given
---@field digest string?
local Ref = {}

---The same name with another tag and without a digest.
---@param tag string
---@return luff.Ref
function Ref:with_tag(tag) end

---The same name with a digest and without a tag.
---@param digest string
---@return luff.Ref
function Ref:with_digest(digest) end

---The descriptor that a name stands for, without the manifest (a HEAD request, where a registry can).
---@param name luff.name
---@param opts { plain_http: boolean? }?
---@return { mediaType: string, digest: string, size: integer }
function luff.resolve(name, opts) end

---An Image or an Index, whichever is there.
---@param name luff.name
---@param opts { plain_http: boolean? }?
---@return luff.Image|luff.Index
function luff.open(name, opts) end

---An image; of an index the one for a platform. "not_found" names the platforms that there are.
---@param name luff.name
---@param opts { platform: string?, plain_http: boolean? }? platform: the machine's where absent
---@return luff.Image
function luff.image(name, opts) end

---An index; "bad_format" where an image is there.
---@param name luff.name
---@param opts { plain_http: boolean? }?
---@return luff.Index
function luff.index(name, opts) end

---A new layer, for Image:append and Image:map_layers.
---@param source luff.LayerSource
---@return luff.Layer
function luff.layer(source) end

---An image with neither layers nor files.
---@param opts { platform: string?, format: ("oci"|"docker")? }? platform: the machine's where absent
---@return luff.Image
function luff.empty(opts) end

---A new index of images and indexes from anywhere.
---@param children (luff.Image|luff.Index|luff.name)[]
---@param opts { format: ("oci"|"docker")?, annotations: table<string, string>?, artifact_type: string? }? format: "oci" where absent
---@return luff.Index
function luff.index_of(children, opts) end

---Copies all that a name stands for, digests unchanged; what the destination has does not move. Killed at any moment the
---destination stays readable, and the next run moves only what is missing. A layout keeps what came of a large blob for a week,
---and the next copy goes on from there.
---Of several sources each keeps its name; their names are set together, when all content is there, and an archive is written once.
---@param src luff.name|luff.Image|luff.Index|(luff.name|luff.Image|luff.Index)[] one, or a list of them
---@param dst luff.name the source's tag where it names none; a place alone for a list
---@param opts { platform: string?, jobs: integer?, referrers: boolean?, foreign: boolean?, deep: boolean?, compress: ("gzip"|"zstd"|"none")?, plain_http: boolean?, names: string[]?, progress: fun(event: luff.ProgressEvent)? }? platform: of an index only that image; names: of a list of sources, what each is named at the destination; jobs: blobs at a time, 1 to 64, 4 where absent; referrers: also what refers to the manifests that are copied, and to that, and so on; foreign: also layers that may not be distributed, which are left out else: what the source lacks comes from the `urls` of its descriptor, without a login, and from no private address whose host the settings do not name; deep: also where the destination has the name for the same digest already, each manifest and blob below it is asked for, which else is only done where a medium may lack some; compress: layers that are plain tars, by default gzip on their way out of a docker-archive:, which changes digests
---@return luff.CopyResult
function luff.copy(src, dst, opts) end

---@class luff.ProgressEvent
---@field kind "start"|"bytes"|"kept"|"done"|"skipped"|"mounted"|"read"|"left" "read": to its end; "left": no more of it is wanted, or it failed
---@field digest string
---@field media_type string
---@field size integer of the blob
---@field bytes integer with "bytes": that have come since the last event of this blob; with "kept": that were there from a copy that broke off
---@field total integer bytes of all blobs that the copy found; 0 of what is no copy

---@class luff.CopyResult
---@field digest string what the destination's name stands for now
---@field media_type string
---@field size integer of the manifest
---@field images { digest: string, media_type: string, size: integer }[]? of a list of sources, in place of the three above
---@field copied integer blobs that moved
---@field skipped integer blobs that were there
---@field mounted integer blobs that the destination took over without bytes
---@field bytes integer that moved
---@field kept integer bytes of the copied blobs that were there from a copy that broke off
---@field manifests integer that were written

---What is not as it should be in all that a name stands for: digests, sizes, diff IDs, media types, what config, manifest and
---index say of each other, tars that cannot be unpacked on each other. What could not be looked at raises. Of an artifact, content
---is only held against its digests.
---@param source luff.name|luff.Image|luff.Index
---@param opts { fast: boolean?, jobs: integer?, platform: string?, plain_http: boolean? }? fast: reads no layer, and only asks whether each is there; jobs: blobs at a time, 1 to 64, 4 where absent; platform: of an index only that image
---@return luff.Finding[] # empty where all is sound; at most 1000
---@return { images: integer, indexes: integer, blobs: integer, bytes: integer } # what was looked at; bytes: of layers
function luff.validate(source, opts) end

---@class luff.Finding
---@field code string as luff.Error has it: "not_found", "bad_format", "digest_mismatch", "size_mismatch", "too_large", "unsupported"
---@field thing string "manifest", "config", "layer 2", "diff ID 2", "layers", "history", "platform", "subject"
---@field place string the manifest that it belongs to: "oci:./dir@sha256:…"
---@field what string one line

---Tags of a repository or layout: `for tag in luff.tags "ghcr.io/org/app" do … end`; pages are read when they are needed.
---@param name luff.name
---@param opts { plain_http: boolean? }?
---@return luff.Cursor
function luff.tags(name, opts) end

---Repositories of a registry: `for name in luff.catalog "localhost:5000" do … end`. Docker Hub and some others do not tell.
---@param registry string "localhost:5000"
---@param opts { plain_http: boolean? }?
---@return luff.Cursor
function luff.catalog(registry, opts) end

---What refers to an image or index: signatures, attestations, other artifacts. Where a registry lacks the referrers API, the
---index that stands in for it is read (and kept up to date by whatever luff writes and deletes there).
---@param name luff.name
---@param opts { artifact_type: string?, plain_http: boolean? }?
---@return fun(): { mediaType: string, digest: string, size: integer, artifactType: string?, annotations: table<string, string>? }?
function luff.referrers(name, opts) end

---A list that arrives piece by piece: call it for the next item, nil at the end. To be closed.
---@class luff.Cursor
local Cursor = {}

---Ends it early. Closing twice is fine.
function Cursor:close() end

---Gives what a name stands for one more tag in the same place.
---@param name luff.name
---@param tag string
---@param opts { plain_http: boolean? }?
---@return { mediaType: string, digest: string, size: integer }
function luff.tag(name, tag, opts) end

---Deletes a tag and nothing else, or with a digest the manifest and all its tags. Where a registry can take no tag away alone,
---that is "unsupported", with the other tags of the manifest; with `force`, the manifest goes with all of them.
---@param name luff.name
---@param opts { force: boolean?, blob: boolean?, annotation: string?, plain_http: boolean? }? blob: the digest is that of a blob, which goes also where manifests still want it; annotation: "KEY=VALUE", all entries of a layout's index.json that have it go
---@return string|integer|nil # digest of the manifest or blob that went; nil where a tag alone did; with annotation how many entries
function luff.delete(name, opts) end

---A blob by its digest, verified, and its size: `luff.blob "ghcr.io/org/app@sha256:…"`.
---@param name luff.name
---@param opts { plain_http: boolean? }?
---@return luff.Reader, integer
function luff.blob(name, opts) end

---Asks a registry whether it is one and takes the login that is known for it; raises where it is not or does not.
---@param registry string "localhost:5000"
---@param opts { plain_http: boolean? }?
---@return { url: string, version: string? } # where it is; version: of its API, "registry/2.0", where it says
function luff.ping(registry, opts) end

---Stores a blob and returns its descriptor. Of a Reader, all that was not read yet; it stays open. A folder goes as a tar.gz, the
---same bytes for the same names, modes, links and contents, with `title` in front of its names (as oras has it).
---@param place luff.name a place; a tag counts for nothing: "oci:DIR", "memory:NAME", "host/repository"
---@param content string|luff.Reader|{ file: string }|{ folder: string, title: string }
---@param opts { media_type: string?, plain_http: boolean? }?
---@return { mediaType: string, digest: string, size: integer }
---@return string? # of a folder: digest of the plain tar
function luff.push_blob(place, content, opts) end

---Stores a manifest whose blobs are there, and names it.
---@param name luff.name
---@param document string|table a table goes through luff.json.encode
---@param opts { media_type: string?, plain_http: boolean?, untagged: boolean? }? media_type: its member mediaType where absent; untagged: it gets a digest alone, whatever the name says
---@return luff.Image|luff.Index
function luff.push_manifest(name, document, opts) end

---Asks the registry whether it takes the user and password, and keeps them if so: in the credential helper that docker's
---config.json names, else in that file.
---@param login { registry: string, user: string, password: string, plain_http: boolean? } registry: "ghcr.io", "localhost:5000", "docker.io"
function luff.login(login) end

---Takes out what luff.login and docker keep; what podman and skopeo keep in files of their own stays.
---@param which { registry: string?, all: boolean? }
---@return boolean # whether there was anything
function luff.logout(which) end

---The login for a registry ("ghcr.io") or a repository ("ghcr.io/org/app"), from wherever people keep them: podman's
---auth.json, $DOCKER_AUTH_CONFIG, docker's config.json, credential helpers. Nil where nobody knows one.
---@param name string
---@return { registry: string, user: string?, password: string?, identity_token: string?, token: string? }? # as luff.Credentials has them
function luff.auth(name) end

---How many requests a registry allows, as its answers to this process said last (RateLimit-Limit and their like); nil where
---they said nothing. Makes no request: Docker Hub says it with each manifest, of which luff.resolve asks without being counted.
---@param registry string "docker.io"
---@param opts { plain_http: boolean? }?
---@return luff.RateLimit?
function luff.rate_limit(registry, opts) end

---@class luff.RateLimit what the registry did not say is nil
---@field limit integer? requests
---@field remaining integer?
---@field window integer? seconds for which the limit is
---@field reset integer? seconds until there are as many again
---@field source string? whom it counts: an address or an account

---An image: immutable, read when asked for. Equal if the digests are.
---@class luff.Image
local Image = {}

---@return luff.Layer[] the base first
function Image:layers() end
---@return string
function Image:media_type() end
---@return integer bytes of the manifest
function Image:size() end
---@return string digest of the config: the image ID
function Image:config_name() end
---@return table the config, with the spec's own names
function Image:config_file() end
---@return string the config's bytes
function Image:raw_config_file() end
---@return string
function Image:digest() end
---@return table the manifest, with the spec's own names
function Image:manifest() end
---@return string the manifest's bytes, as they came
function Image:raw_manifest() end
---@param digest string of the layer as it is stored
---@return luff.Layer
function Image:layer_by_digest(digest) end
---@param diff_id string digest of the layer's plain tar
---@return luff.Layer
function Image:layer_by_diff_id(diff_id) end
---@return string from the config: "linux/arm64"; "unknown" for an artifact
function Image:platform() end
---@return table<string, string> of the manifest
function Image:annotations() end

---Its files, as all layers together leave them, whose path fits a pattern: `for e in img:files "/usr/lib/**/*.so" do … end`.
---Folders come before what is in them. "*", "?" and "[a-z]" stand for parts of a name, "**" for any number of folders. Reads
---all layers; who asks more than once asks img:tree().
---@param pattern string? all files where absent
---@return fun(): luff.Entry?
function Image:files(pattern) end
---What a path leads to, through links within the image, the last one too. Layers are read from the top, and only as many as
---it takes to be certain; of a layer in eStargz or zstd:chunked, its table of contents alone, where the manifest names the table's
---digest. A compressed layer in a registry that was read once leaves its list of files and places to begin at in
---$XDG_CACHE_HOME/luff/layers (~/.cache; 256 MiB at most): from then on only about the bytes of the file are moved. "not_found"
---where nothing is there.
---@param path string
---@return luff.Entry
function Image:stat(path) end
---The content of what a path leads to, in pieces. As Image:read.
---@param path string
---@return luff.Reader
function Image:open(path) end
---The content of what a path leads to, at most 64 MiB. As Image:stat, but that often takes fewer layers: it does not matter where
---the file really is.
---@param path string
---@return string
function Image:read(path) end
---All of its files at once, for who asks more than once.
---@return luff.Tree
function Image:tree() end

---Writes its files as one tar, the same bytes for the same layers. The file is there when it is whole. Layers are read once, and
---what is in their files waits in a temporary file (in $TMPDIR, else in /var/tmp), as far as that has room.
---@param file string "-" is the standard output
function Image:export(file) end
---Unpacks its files into a folder, which is made where it is missing, and empty else. No link is ever followed, so nothing
---outside of it is touched; what fails leaves the folder as it was.
---@param folder string
---@param opts { keep_owner: boolean? }? keep_owner: files belong to whom the image says, with setuid and all extended attributes; true for root where absent
---@return { files: integer, bytes: integer, skipped: integer } # skipped: devices and extended attributes that cannot be made here
function Image:extract(folder, opts) end

---Puts the files of an artifact into a folder, which is made where it is missing: each layer that has a title, under that name,
---folders (as oras has them) unpacked. All is checked before the first of them is seen; a file that was there is replaced as a
---whole; no title and no link leads out of the folder.
---@param folder string
---@return { files: integer, bytes: integer, skipped: integer } # skipped: layers without a title
function Image:save(folder) end

---The image with what f makes of its config, which f changes in place, or returns anew. Its "config" (Env, Cmd, User, …) is
---there, if need be empty. As all edits this gives a new Image and moves nothing until luff.copy writes it somewhere: layers that
---stay are where they were, unknown members and their order are kept, and what did not change has the same digest.
---@param f fun(config: table): table?
---@return luff.Image
function Image:configure(f) end
---The image with other annotations.
---@param annotations table<string, string|false> by name; false takes one away
---@return luff.Image
function Image:annotate(annotations) end
---The image as one that refers to another manifest (image-spec, manifest.md "subject").
---@param subject luff.Image|luff.Index|luff.name|nil nil takes it away
---@param opts { plain_http: boolean? }? for a name
---@return luff.Image
function Image:with_subject(subject, opts) end
---@param artifact_type string? nil takes it away
---@return luff.Image
function Image:with_artifact_type(artifact_type) end
---The image with the media types of the OCI's specification or of Docker's schema 2. "unsupported" where one has no word for it.
---@param format "oci"|"docker"
---@return luff.Image
function Image:with_format(format) end

---The image with new layers on top: `img:append { "app.tar", { dir = "rootfs/" }, layer, files = { … } }`, the first the lowest,
---each with an entry in the history. One source alone may stand without a list.
---@param sources luff.LayerSource|luff.LayerSource[]
---@return luff.Image
function Image:append(sources) end
---The image with what f makes of each layer: another Layer, nil where it stays, false where it goes, with its history.
---@param f fun(layer: luff.Layer, i: integer): luff.Layer|false|nil
---@return luff.Image
function Image:map_layers(f) end
---The image with layers compressed in another way; those that are that way already stay, and so does the config.
---@param compression "gzip"|"zstd"|"none"
---@return luff.Image
function Image:recompress(compression) end
---The image without the files, in all layers, that fit a pattern (as Image:files has it), or are in a folder that does. Layers
---that have nothing left go. Where a file goes and a hard link to it stays, the link becomes the file.
---@param patterns string|string[]
---@return luff.Image
function Image:strip(patterns) end
---The image with only those files, and the folders that they are in.
---@param patterns string|string[]
---@return luff.Image
function Image:keep(patterns) end
---The image with that time on all files, itself and its history. Layers of the base stay as they are.
---@param seconds integer since 1970
---@param opts { base: luff.Image|luff.name|nil }? "invalid" where the image is not based on it
---@return luff.Image
function Image:with_time(seconds, opts) end
---The image without what says when and where it was made: times are $SOURCE_DATE_EPOCH's or 1970's, owners have no names, and
---the config does not tell of the host.
---@return luff.Image
function Image:canonical() end
---The image on another base: the layers of the old one, which have to be its first by content ("invalid" where they are not),
---give way to those of the new one. Its config stays, but for the platform; the history becomes that of the new base and what came
---after the old one; the annotations org.opencontainers.image.base.name and .digest say what the base is.
---@param old_base luff.Image|luff.name|nil what the annotations say where absent
---@param new_base luff.Image|luff.name|nil what now has the name in the annotations where absent
---@param opts { plain_http: boolean? }?
---@return luff.Image
function Image:rebase(old_base, new_base, opts) end
---The image with all its layers as one. The same files are the same layer.
---@return luff.Image
function Image:flatten() end
---The image with its last n layers as one, which has whiteouts for what they take away from those below.
---@param n integer
---@return luff.Image
function Image:squash(n) end
---@param which integer|string|luff.Layer its number, 1 is the base; its digest
---@return luff.Image # without the layer and its entry in the history
function Image:remove_layer(which) end

---What a layer is made of: a tar's path ("-" is stdin), a Layer, or a table with one of tar, dir, files and layer. Tars that are
---gzip or zstd stay as they are, and so must their files until the image was copied; all else becomes gzip. Folders and files are
---sorted, belong to 0:0 and have the time of $SOURCE_DATE_EPOCH, or 1970: the same content is the same layer.
---@alias luff.LayerSource string|luff.Layer|luff.LayerTable

---@class luff.LayerTable
---@field tar string?
---@field dir string? a folder: what is in it, with hard links and extended attributes
---@field files table<string|integer, string|luff.LayerFile>? content by path; a path that ends with "/" is a folder; what has no name is a path on this machine, kept in the layer
---@field layer luff.Layer?
---@field to string? with dir: the folder of the layer that it goes to
---@field keep_owner boolean? of files on disk
---@field keep_times boolean? of files on disk, where they are older than `time` or that is 0
---@field time integer? seconds since 1970
---@field compress "gzip"|"zstd"|"none"|nil
---@field created_by string? for the history; "luff append" where absent
---@field comment string?
---@field author string?
---@field annotations table<string, string>? of the layer's descriptor

---@class luff.LayerFile one of content, file, dir, link, hardlink and type, and what else is to be said
---@field content string?
---@field file string? path on this machine, whose content and mode it has
---@field dir string? folder on this machine, whose content goes there
---@field link string? target of a symbolic link
---@field hardlink string? path in the layer
---@field type string? as luff.Entry has it
---@field mode integer? 0644, for folders 0755 where absent
---@field uid integer?
---@field gid integer?
---@field user string?
---@field group string?
---@field mtime integer?
---@field xattrs table<string, string>?
---@field major integer?
---@field minor integer?

---The files of an image as all its layers together leave them (image-spec, layer.md).
---@class luff.Tree
local Tree = {}

---As Image:files.
---@param pattern string?
---@return fun(): luff.Entry?
function Tree:files(pattern) end
---As Image:stat.
---@param path string
---@return luff.Entry
function Tree:stat(path) end
---As Image:open.
---@param path string
---@return luff.Reader
function Tree:open(path) end
---As Image:read.
---@param path string
---@return string
function Tree:read(path) end

---What is different between its files and those of another tree. Contents are read where nothing else says whether they are the
---same: each layer once, and none that both have.
---@param other luff.Tree
---@param opts { pattern: string?, times: boolean?, contents: boolean? }? pattern: as Image:files; times: files that only have another time are different, too; contents: keep those of changed files of at most 64 KiB, up to 32 MiB of them
---@return luff.Change[] # folders before what is in them, in the order of names
function Tree:diff(other, opts) end

---@class luff.Change
---@field path string
---@field kind "added"|"removed"|"changed"
---@field what ("type"|"content"|"mode"|"owner"|"time"|"link"|"device"|"xattrs")[] of what has changed
---@field from table? what luff.Entry says of it; nil where it was added
---@field to table? nil where it was removed
---@field from_content string? with `contents`
---@field to_content string?

---What layers hold in vain. The score is dive's: each path counts with the smallest size that it ever had (0 where it is removed),
---out of all bytes that layers have for it.
---@return luff.Efficiency
function Tree:efficiency() end

---@class luff.Efficiency
---@field score number 0 to 1
---@field bytes integer of all files in all layers
---@field wasted integer of them, what later layers replace or remove
---@field layers { files: integer, bytes: integer, wasted: integer }[]
---@field paths { path: string, count: integer, bytes: integer, wasted: integer, removed: boolean }[] that layers have in vain, the worst first; count: layers that have it; removed: no file is there in the end

---A file of a layer or of an image. pairs() goes over what it says.
---@class luff.Entry
---@field path string of a layer's as it stands there ("etc/passwd", "./etc/"), of an image's absolute ("/etc/passwd")
---@field type "file"|"hardlink"|"symlink"|"folder"|"char"|"block"|"fifo" in an image hard links are files
---@field size integer bytes of a file's content
---@field mode integer permissions, and the bits of setuid, setgid and sticky
---@field uid integer
---@field gid integer
---@field user string? names of the owners, where they are said
---@field group string?
---@field mtime integer seconds since the epoch
---@field mtime_ns integer
---@field link string? target of a link
---@field major integer? of devices
---@field minor integer?
---@field xattrs table<string, string>?
---@field layer integer? in an image: the number of the layer that it comes from, 1 is the base; nil for folders that no layer names
local Entry = {}

---Reads content as Reader:read does. A layer's entry can be read until the next one comes.
---@param what integer|"a"|"l"|"L"|nil
---@return string?
function Entry:read(what) end
---@return fun(): string? lines of the content, without their ends
function Entry:lines() end

---Images for several platforms. Equal if the digests are.
---@class luff.Index
local Index = {}

---@return string
function Index:media_type() end
---@return string
function Index:digest() end
---@return integer bytes of the manifest
function Index:size() end
---@return table the manifest, with the spec's own names
function Index:index_manifest() end
---@return string the manifest's bytes, as they came
function Index:raw_manifest() end
---An image that the index lists: by its digest, or the one that runs best on a platform (the machine's where absent).
---@param which string|{ platform: string }|nil
---@return luff.Image
function Index:image(which) end
---@param digest string of an index that this index lists
---@return luff.Index
function Index:image_index(digest) end
---@return table<string, string>
function Index:annotations() end
---As Image:annotate.
---@param annotations table<string, string|false>
---@return luff.Index
function Index:annotate(annotations) end
---As Image:with_subject.
---@param subject luff.Image|luff.Index|luff.name|nil
---@param opts { plain_http: boolean? }?
---@return luff.Index
function Index:with_subject(subject, opts) end
---@param artifact_type string?
---@return luff.Index
function Index:with_artifact_type(artifact_type) end
---As Image:with_format, with all that the index lists.
---@param format "oci"|"docker"
---@return luff.Index
function Index:with_format(format) end
---The index with only those images that are for one of the platforms, or to whose entries f says yes. What BuildKit lists
---about an image (attestations) stays or goes with it.
---@param which { platform: string|string[] }|fun(entry: table): boolean?
---@return luff.Index
function Index:filter(which) end
---The index with more images or indexes in it, behind those that it has. What it lists already it lists once.
---@param ... luff.Image|luff.Index|luff.name or a list of them
---@return luff.Index
function Index:append(...) end
---The index without what is meant, and what BuildKit lists about that. "not_found" where it is not there.
---@param which string|luff.Image|luff.Index|(string|luff.Image|luff.Index)[] a string is a digest
---@return luff.Index
function Index:remove(which) end
---The index with what f makes of each image, also in the indexes within it: another Image, nil where it stays, false where it
---goes. What BuildKit lists about an image follows it: its annotation names the new digest.
---@param f fun(image: luff.Image, platform: string): luff.Image|false|nil platform: "linux/arm64/v8"
---@return luff.Index
function Index:map(f) end

---One layer of an image. Equal if the digests are.
---@class luff.Layer
local Layer = {}

---@return string of the layer as it is stored
function Layer:digest() end
---@return string digest of the plain tar: what the config says, for an artifact computed
function Layer:diff_id() end
---@return luff.Reader bytes as they are stored, verified
function Layer:compressed() end
---@return luff.Reader plain tar, whatever it is stored as (gzip, zstd, xz, bzip2, tar)
function Layer:uncompressed() end
---Its files in its order, whiteouts too: `for e in layer:entries() do … end`. Content streams by: e:read(…) before the next one.
---@return fun(): luff.Entry?
function Layer:entries() end
---The layer with what f makes of each entry: nil where it stays, false where it goes, or a table of what changes: path, type,
---mode, uid, gid, user, group, mtime, mtime_ns, link, xattrs, major, minor, and content (text, or another entry of a file) or
---file (a path on this machine). f may read an entry's content. The same layer where nothing changes; else a new one, compressed
---as it was. A hard link whose file was dropped is "invalid".
---@param f fun(entry: luff.Entry): table|false|nil
---@return luff.Layer
function Layer:map(f) end
---@param compression "gzip"|"zstd"|"none"
---@return luff.Layer # the same where it is that already
function Layer:recompress(compression) end
---@return integer bytes as they are stored
function Layer:size() end
---@return string
function Layer:media_type() end

---Bytes as they come. To be closed. The end comes only after size and digest were found right; else reading raises.
---@class luff.Reader
local Reader = {}

---Reads so many bytes, all ("a", at most 64 MiB), or a line without ("l") or with ("L") its end. nil at the end, but "" of
---read "a" and read(0).
---@param what integer|"a"|"l"|"L"|nil a line where absent
---@return string?
function Reader:read(what) end
---@return fun(): string? lines without their ends; closes the reader after a loop
function Reader:lines() end
---Closing twice is fine.
function Reader:close() end

---@class luff.ServeOptions
---@field root string? folder: one OCI layout per repository below it, or itself one, the only repository then, named after
---the folder; in memory where absent
---@field listen string? "127.0.0.1:0" where absent; port 0 picks a free one
---@field cert string? PEM file with the certificate and its chain, for TLS 1.2 and 1.3; with `key`
---@field key string? PEM file with the certificate's key
---@field self_signed string? TLS with a certificate that is made now, good for a year and all addresses of this machine, and
---written to this file (PEM) for clients to trust; its key never leaves the process
---@field htpasswd string? file of "user:hash" lines with bcrypt's hashes, as `htpasswd -B` writes it; read anew when it changes
---@field read_only boolean? takes nothing, deletes nothing
---@field authorize (fun(request: luff.Asked): boolean?, string?)? true lets a request through; else the client hears the message, or is asked for a login where it brings none. Beside htpasswd it decides about requests without a login, too
---@field on_push (fun(request: luff.Asked): boolean?, string?)? the same for each manifest that comes in, before it is stored
---@field on_pull (fun(request: luff.Asked): boolean?, string?)? the same for each manifest that is asked for
---@field proxy string? "https://registry-1.docker.io": a mirror of that registry, which fetches at its first use what is asked for, and keeps it; read-only
---@field proxy_max integer? bytes that a mirror below `root` keeps, blobs up to 64 KiB aside; what was not asked for the longest goes
---@field upload_max integer? bytes of a blob that is pushed
---@field connections integer? at a time, 8 to 10,000; 512 where absent. When nearly all are taken, those that are slowest have to go
---@field idle_timeout integer? seconds without a byte after which a connection ends; 120 where absent
---@field access_log string? file to which each request adds a line of JSON; "-" is stdout
---@field metrics boolean? GET /metrics answers in Prometheus' text format
---@field faults luff.Fault[]? how it misbehaves
---@field gc integer? remove what no tag reaches and is older than so many seconds, at the start and once an hour (see luff.gc)
---@field record boolean? keep what Server:requests gives, as faults do anyway

---What the functions of luff.serve are asked about. They are called on the program's thread, while it is in a call of luff that
---waits (luff.copy, Server:wait, …); the client hears 503 where that takes half a minute, and 500 where they raise.
---@class luff.Asked
---@field action "pull"|"push"|"delete"|"list"|"metrics"
---@field method string "GET"
---@field repository string? absent for the catalog and GET /v2/
---@field tag string?
---@field digest string? of the manifest or blob, where the address has one
---@field user string? absent where the request brings no login
---@field password string? to authorize, where no htpasswd has checked it
---@field client string "192.0.2.7:41573"
---@field manifest string? to on_push: its bytes, which nobody has checked yet

---A registry in this process (distribution-spec).
---@param opts luff.ServeOptions?
---@return luff.Server
function luff.serve(opts) end

---A place that holds images, written in Lua. Its functions get the place's name as in "SCHEME:PLACE:TAG" (the tag is behind the last
---colon that is behind the last slash). Each call of one runs as a task of its own, many at a time, on the program's thread,
---while that is in a call of luff that waits; it may call luff itself. What it gives is checked against size and digest. An error
---that it raises becomes that of the call; { code =, message = } keeps its code.
---@class luff.Medium
---@field scheme string "http-dir" in "http-dir:PLACE:TAG": small letters, digits, dashes
---@field resolve fun(place: string, name: { tag: string?, digest: string? }): luff.Descriptor? what a name stands for; the digest decides, and neither means the only image there is. Nil: there is none. Without a mediaType the bytes say what it is
---@field fetch fun(place: string, descriptor: luff.Descriptor, offset: integer): string|function|table|nil the bytes of a blob or manifest from the offset on: a string, a function that gives a piece at each call and nil at the end, or what has read(self, n) and close(self), as files and Readers do. Nil: it is not there
---@field exists (fun(place: string, descriptor: luff.Descriptor): boolean)? fetch is tried where it is absent
---@field push (fun(place: string, descriptor: luff.Descriptor, reader: luff.Reader))? stores what the Reader gives, to its end. The last bytes come after all were found right, otherwise the read raises; absent: read-only
---@field tag (fun(place: string, descriptor: luff.Descriptor, tag: string))? names a manifest that was pushed; with push
---@field tags (fun(place: string): string[]|fun(): string?)?
---@field referrers (fun(place: string, digest: string, artifact_type: string?): luff.Descriptor[]|fun(): luff.Descriptor?)? what has that manifest as its subject
---@field remove (fun(place: string, name: { tag: string?, digest: string? }, force: boolean): string|boolean|nil)? a name alone, then it gives true; or the manifest, then its digest. Nil: there was none
---@field stat (fun(place: string, digest: string): integer?)? a blob's size
---@field remove_blob (fun(place: string, digest: string): boolean)?

---Makes a medium known under its scheme to all functions and commands of this program.
---@param definition luff.Medium
function luff.medium(definition) end

---What a collection did, or would do.
---@class luff.Garbage
---@field repositories integer that were looked at
---@field kept integer blobs that stay, manifests among them
---@field removed integer blobs that went
---@field uploads integer that nobody went on with
---@field bytes integer of what went

---Removes from an OCI layout, or from all layouts below a folder, what no tag, index or referrer reaches. Safe while luff serves
---the folder or copies to it.
---@param folder string
---@param opts { grace: integer?, dry_run: boolean? }? grace: seconds that content may be without a name, 3600 where absent
---@return luff.Garbage
function luff.gc(folder, opts) end

---How a registry misbehaves, to test what talks to it: which requests a fault hits, and what happens to them, one or several of
---the rest. Each fault counts the requests that it concerns; of those that are due the first in the list happens, and a login is
---demanded beside it. A header's value of false takes the header away.
---@class luff.Fault
---@field method string? "GET"; any where absent or "*"
---@field path string? pattern of the URL's path, "/v2/*/blobs/*", in which "*" is any text, slashes too; any where absent
---@field after integer? leaves the first so many alone
---@field every integer? hits only each so-manieth from then on
---@field count integer? hits so many in all; no end where absent
---@field status integer? answered in place of the real answer, with `headers` and `body`; 307 where `redirect` is alone
---@field headers table<string, string|false>? of the answer, in place of its own ones of these names
---@field body string?
---@field cut integer? the connection breaks off after so many bytes of the body
---@field flip integer? which byte of the body has its bits turned over, from 1 on
---@field stall number? seconds before the answer, at most 100; closing the server ends them
---@field stall_at integer? the pause comes after so many bytes of the body instead
---@field hang_up boolean? the connection is closed without an answer
---@field length integer|false|nil what Content-Length claims: the body ends there, or breaks off before; false: it is sent in chunks
---@field digest string|false|nil Docker-Content-Digest
---@field type string|false|nil Content-Type
---@field range string|false|nil Content-Range: "bytes 5-9/10"
---@field ignore_range boolean? answers 200 with all of it where a part is asked for
---@field link string|false|nil Link: '</v2/app/tags/list?last=b>; rel="next"'
---@field redirect string? Location
---@field auth "basic"|"bearer"|nil demands a login, which keeps nobody out: any server with "bearer" hands out tokens at /token, and takes those of all others
---@field user string? who may log in, here or at /token; anybody where absent
---@field password string?
---@field realm string? URL of the token server; the server's own where absent
---@field token_ttl integer? seconds that the tokens of /token are good for; 300 where absent

---To be closed.
---@class luff.Server
local Server = {}

---@return string "127.0.0.1:41573"
function Server:address() end
---The requests since the last call, the newest 10,000 of them, in the order of their answers. "invalid" unless the server was
---started with `faults` or `record = true`.
---@return luff.Request[]
function Server:requests() end
---Waits until the program is interrupted. The luff program raises "cancelled" then, as everywhere; in other programs it
---returns. Inside of a task the others go on meanwhile, and to cancel the task raises "cancelled".
function Server:wait() end
---Takes no more requests, and waits for those that run. Close it then.
---@param seconds integer at most so long
function Server:drain(seconds) end
---Ends running requests. Closing twice is fine.
function Server:close() end

---@class luff.Request
---@field method string
---@field path string as it came
---@field query string? without its "?"
---@field headers table<string, string> by their names in lower case, secrets too
---@field status integer? of the answer; nil where none went out

---Runs f at the same time: until it ends or calls something that blocks. A failure is raised by wait. f must not yield
---itself; coroutines of its own may.
---@param f function
---@param ... any arguments
---@return luff.Task
function luff.spawn(f, ...) end

---@class luff.Task
local Task = {}

---@return any ... what f returned; raises what f raised
function Task:wait() end
---@return boolean whether it has ended
function Task:done() end
---What the task waits for ends with "cancelled".
function Task:cancel() end

---For a program with an event loop of its own, which must not wait: what it polls for reading. It is readable when a task can go
---on, and at first; luff.step() makes it silent again. It belongs to this Lua state, which closes it.
---@return integer descriptor of a file, always the same
function luff.fd() end

---Lets every task that can go on do so, up to its next call, and answers what workers ask of functions of the script; waits for
---nothing. What calls luff outside of a task still waits: spawn it.
---@return boolean whether tasks are under way
function luff.step() end

---Calls f(item, i) for each item as tasks. The first failure cancels the others and is raised. None of them goes on after
---luff.map has returned or raised.
---@param list any[]|fun(): any a list, or an iterator as luff.tags gives it
---@param opts { jobs: integer? }|function jobs: at a time, 8 where absent; may be left out
---@param f (fun(item: any, i: integer): any)?
---@return any[] results in the order of the list
function luff.map(list, opts, f) end

---f's results, or nil and the error: for where failure is expected.
---@param f function
---@param ... any arguments
---@return any ...
function luff.try(f, ...) end

-- ---- Modules that a script requires by their name ----------------------------------------------------------

---Instants, as seconds since the epoch that < compares, and ages: `local time = require "luff.time"`.
---@class luff.time
local time = {}

---The instant that an RFC 3339 text names; a whole number where it has no fraction. "bad_format" where it is none.
---@param text string
---@return number
function time.parse(text) end
---Its text in UTC; microseconds where it has a fraction.
---@param instant number
---@return string "2024-05-01T12:00:00Z"
function time.format(instant) end
---@return integer # whole seconds
function time.now() end
---Seconds of an age: units are ms, s, m, h, d, w; a number is one already.
---@param age string|number "30d", "12h", "2w", "1h30m", "1.5h"
---@return number
function time.age(age) end
---The instant that an age ago was.
---@param age string|number
---@param now number|string|nil the clock's where absent
---@return number
function time.ago(age, now) end
---Whether an instant lies longer ago than an age.
---@param instant number|string a number, or RFC 3339
---@param age string|number
---@param now number|string|nil
---@return boolean
function time.older(instant, age, now) end
---Waits; inside of a task the others go on meanwhile.
---@param age string|number
function time.sleep(age) end

---YAML, read only: `local yaml = require "luff.yaml"`.
---@class luff.yaml
local yaml = {}

---The value of one YAML document (1.2's core schema). Lists carry luff.array's mark, null is luff.null, keys are text as it is
---written, the last of two of one name wins. Anchors, aliases and merge keys ("<<") are followed. "bad_format" says line and
---column; "too_large": more than 4 MiB, 64 levels or 262,144 values, aliases unfolded.
---@param text string
---@param opts { lines: boolean?, name: string? }? lines: the second result is there; name: of the text, for messages
---@return any value
---@return table<table, table<string|integer, integer>>? lines of the members of each table: lines[value].key
function yaml.decode(text, opts) end

---Regular expressions (PCRE2, UTF-8): `local regex = require "luff.regex"`.
---@class luff.regex
local regex = {}

---A regular expression. Flags are letters: i (case), m (^ and $ at lines), s (. takes newlines), x (blanks and comments), u (\w
---and \d take Unicode's), a (the whole text has to match). "invalid" where it is none.
---@param pattern string
---@param flags string?
---@return luff.Regex
function regex.new(pattern, flags) end
---The pattern that matches a text alone.
---@param text string
---@return string
function regex.escape(text) end
---@param value any
---@return boolean
function regex.is(value) end

---What a match costs has an end: one that takes too many steps, or a text of more than 16 MiB, raises "too_large". What is no
---UTF-8 in a text is matched by nothing. init: the byte to begin at, as for string.find.
---@class luff.Regex
local Regex = {}

---@param text string
---@param init integer?
---@return boolean
function Regex:test(text, init) end
---@param text string
---@param init integer?
---@return integer? first byte; nil where it is not found
---@return integer? last
---@return string? ... groups, nil for those that took no part
function Regex:find(text, init) end
---@param text string
---@param init integer?
---@return string? ... groups; without any, all that matched
function Regex:match(text, init) end
---@param text string
---@param init integer?
---@return table<string|integer, string>? groups by number and name; [0] is all that matched
function Regex:captures(text, init) end
---@param text string
---@return fun(): string? ... what match gives, match by match
function Regex:gmatch(text) end
---@param text string
---@param by string|table|function text with $0, $1 to $9, ${name} and $$; a table by the first group; a function of the groups
---@param most integer? so many of them; all where absent
---@return string
---@return integer count
function Regex:gsub(text, by, most) end

---Which tags of many are meant: `require "luff.select" { semver = "^1.25", newest = 5 } (list)` gives the tags of the list that
---are. All that is said has to hold. With semver, per or newest, tags that spell no version are left out, and the rest comes
---newest first; without them the order stays. Rules of times want a second argument: a function from a list of tags to their
---instants by tag, as `require("luff.created").ages "ghcr.io/org/app"` gives it.
---@class luff.select
---@field allow string|luff.Regex|(string|luff.Regex)[]|nil patterns (luff.glob) or regular expressions, of which one has to match
---@field deny string|luff.Regex|(string|luff.Regex)[]|nil of which none may match
---@field suffix string? a text that ends the tags ("-alpine"); versions are read without it
---@field semver string? a range of versions (luff.semver)
---@field per "major"|"minor"|"patch"|nil of versions, the newest of each such line
---@field newer_than string|number|nil an age (luff.time): what was made since
---@field older_than string|number|nil what was made before
---@field newest integer? so many of the newest of what is left
---@field by "version"|"created"|nil what is newest: "version" where absent

---Versions as tags spell them, compared after Semantic Versioning, with any number of numbers: `require "luff.semver"`.
---@class luff.semver
local semver = {}

---The version that a text spells ("v1.27", "1.27.3-rc.1"); nil where it spells none. Versions compare with <, <= and ==.
---@param text string
---@return { major: integer, minor: integer, patch: integer, prerelease: string?, build: string?, text: string }?
function semver.parse(text) end
---A function that says whether a version, or a text that spells one, is in the range: "^1.25", "~1.2", ">=1.25 <2", "1.x",
---"1.2 || 3".
---@param text string
---@return fun(version: string|table): boolean
function semver.range(text) end
---The texts of a list that spell versions, newest first.
---@param list string[]
---@return string[]
function semver.sort(list) end
---The newest of each line, newest first. Pre-releases count only where a line has nothing else.
---@param list string[]
---@param per "major"|"minor"|"patch"
---@return string[]
function semver.newest(list, per) end

---Shell patterns: * and ? (not /), ** (also /), [a-z], [!a-z], {a,b}; a backslash takes what follows as it is.
---@class luff.glob
local glob = {}

---A function that says whether a text matches the pattern as a whole.
---@param pattern string
---@return fun(text: string): boolean
function glob.matcher(pattern) end
---The same for a pattern, a regular expression or a list of them, of which one has to match; nil matches nothing.
---@param name string of the option that they are of, for messages
---@param patterns string|luff.Regex|(string|luff.Regex)[]|nil
---@return fun(text: string): boolean
function glob.any(name, patterns) end

---When images were made, whatever machine asks: their annotation org.opencontainers.image.created says so, else their config; of
---an index the newest of its images: `require "luff.created"`.
---@class luff.created
local created = {}

---The instant (luff.time) of an Image or Index; nil where nothing tells.
---@param object luff.Image|luff.Index
---@return number?
function created.of(object) end
---A function from a list of tags to their instants by tag, for luff.select.
---@param place string a repository or layout, without a tag
---@param opts { jobs: integer?, plain_http: boolean? }?
---@return fun(tags: string[]): table<string, number>
function created.ages(place, opts) end

---Keeps repositories or layouts like others: `require("luff.mirror").run { from = …, to = … }`.
---@class luff.mirror
local mirror = {}

---One run. What fails is in the summary, and the rest goes on; only what makes all of it senseless raises. Versions are copied
---newest first. Where nothing is to be done, each side is asked once for each tag, unless filter, transform or verify look at it.
---@param opts luff.MirrorOptions
---@return luff.MirrorSummary
function mirror.run(opts) end

---@class luff.MirrorOptions
---@field from string? a repository or layout, without a tag
---@field to string?
---@field repositories (string|luff.Regex|table)[]|{ allow: any, deny: any }|nil many: tables with what is said here of from, to, tags and all up to keep, each for one repository; and patterns, or allow and deny as luff.select has them, then `from` is a registry that lists what it has, and `to` goes in front of a name
---@field rename_repository (fun(name: string): string)? the name at the destination, of those that patterns found
---@field tags luff.select|string[]|nil which; all of them where absent. A list names tags and digests, which are not looked for
---@field platform string? of indexes, only the image for it
---@field platforms string|string[]|nil of indexes, only the images for these: a new index
---@field sparse boolean? with platforms: the index as it is, without the other images, where the destination takes that
---@field referrers boolean? signatures and attestations, too
---@field digest_tags boolean? tags about what is copied (cosign's sha256-<hex>.sig), and else none of these
---@field foreign boolean? layers that may not be distributed, too (luff.copy)
---@field deep boolean? looks below what is there already, too (luff.copy)
---@field rename (fun(tag: string): string)|{ [1]: string, [2]: string }|nil the tag at the destination, or a pattern and its replacement (string.gsub)
---@field filter (fun(object: luff.Image|luff.Index, entry: table): boolean)? only what it says yes to
---@field transform (fun(object: luff.Image|luff.Index, entry: table): luff.Image|luff.Index|false)? what goes there in its place; false: nothing
---@field verify boolean|(fun(object: luff.Image|luff.Index, entry: table): boolean, string?)|nil true: only what luff.validate finds sound; or a function that says yes, or no and why. What it saw is what is copied
---@field prune boolean? tags at the destination that are not meant are deleted (luff.prune), if all that is meant came
---@field keep string|string[]|nil patterns of tags that are never deleted
---@field prune_max integer? so many deletions in a run at most, else none; 20 where absent
---@field jobs integer? tags at a time; 8 where absent
---@field dry_run boolean? says what would be done
---@field plain_http boolean?
---@field each (fun(entry: table))? called for each tag as it is done
---@field progress (fun(): fun(event: luff.ProgressEvent))? called for each copy: what it gives hears how far that is

---@class luff.MirrorSummary
---@field copied integer tags
---@field unchanged integer
---@field left_out integer by filter or transform
---@field kept integer was to be deleted and could not be
---@field deleted integer
---@field failed integer
---@field bytes integer that moved
---@field entries { from: string, to: string, tag: string?, target: string?, status: string, digest: string?, followers: string[]?, error: any }[] status: one of the words above; without a tag: a repository that failed as a whole

---Many images in one file, to be carried to where there is no network: `require "luff.bundle"`. A full bundle is an oci-archive in
---which each image has its whole name; a delta holds what a bundle before it has not, and is loaded after that.
---@class luff.bundle
local bundle = {}

---Makes one of images in registries. A file that is there is replaced, when all has come.
---@param file string
---@param names string[]
---@param opts { since: string?, referrers: boolean?, platform: string?, jobs: integer?, plain_http: boolean?, progress: fun(event: luff.ProgressEvent)? }? since: a bundle, or what `luff bundle ls --json` printed of one: only what that has not; referrers: signatures and attestations, too; platform: of indexes only that image; jobs: questions at a time, 8 where absent
---@return { images: { name: string, digest: string }[], blobs: integer, bytes: integer } # what came
function bundle.create(file, names, opts) end
---What one holds; blobs: all that the images need, also where a bundle before has it.
---@param file string
---@return { images: { name: string, digest: string, size: integer, mediaType: string }[], blobs: { digest: string, size: integer }[], delta: boolean }
function bundle.list(file) end
---Copies what one holds: docker.io/library/alpine:3 to TO/library/alpine:3. What is there does not move.
---@param file string
---@param to string a registry, with a prefix perhaps, or "oci:FOLDER"
---@param opts { jobs: integer?, plain_http: boolean?, each: fun(entry: table)?, progress: (fun(): fun(event: luff.ProgressEvent))? }? jobs: images at a time, 4 where absent; each: hears of each image as it is done; progress: called for each copy: what it gives hears how far that is
---@return { copied: integer, unchanged: integer, failed: integer, bytes: integer, entries: { name: string, to: string, digest: string, status: string, error: any }[] }
function bundle.load(file, to, opts) end

---More names for an image, once it was looked at: `require("luff.promote").run { from = "app:rc", to = ":stable", signed = true }`.
---@class luff.promote
local promote = {}

---What was checked is what is named. "denied", with all that is wrong in the error's `detail`; nothing is named then.
---@param opts { from: string, to: string|string[], annotations: table<string, string|true>?, labels: table<string, string|true>?, signed: true|string|nil, validate: boolean?, older_than: string|number|nil, newer_than: string|number|nil, check: (fun(object: luff.Image|luff.Index): boolean, string?)?, referrers: boolean?, plain_http: boolean?, progress: (fun(): fun(event: luff.ProgressEvent))? } to: names, ":stable" is a tag of the same place; annotations, labels: those that it has to have (true: whatever they say), labels in the config of each image; signed: a signature, or an artifact of that type, has to refer to it; whose it is, is not looked at; validate: luff.validate has to find it sound; older_than, newer_than: ages (luff.time); check: says yes, or no and why; referrers: false: do not come along to other places; progress: called for each copy: what it gives hears how far that is
---@return { digest: string, names: string[] }
function promote.run(opts) end

---Which tags of a repository or layout are of a kind: `require("luff.find").run { from = "ghcr.io/org/app", package = "openssl" }`.
---@class luff.find
local find = {}

---All that is said has to hold. Each image is looked into once, however many tags it has.
---@param opts { from: string, tags: luff.select?, digest: string?, older_than: string|number|nil, newer_than: string|number|nil, label: string?, file: string?, package: string?, platform: string?, jobs: integer?, each: fun(entry: table)?, plain_http: boolean? } digest: those that stand for it, or for what this name stands for; label: "key" or "key=value" of the config; file: a path or a pattern of paths; package: of Debian or Alpine; platform: of indexes, the image to look into, the first one where absent; jobs: images at a time, 4 where absent; each: hears of each as it is found
---@return { tag: string, digest: string, created: number?, label: string?, file: string?, version: string? }[]
function find.run(opts) end

---Plan, then apply: `require("luff.plan").dry_run(f, { folder = "plan" })`. While a plan is made nothing is written to places of
---images, in this whole process; what reads sees what is planned. `luff help plans` says what is covered.
---@class luff.plan
local plan = {}

---Runs f dry; returns the steps. What f raises is raised, and then there is no plan.
---@param f function
---@param opts { folder: string? }? folder: a new one, which keeps the plan and what was made on the way
---@param ... any arguments of f
---@return luff.PlannedStep[]
function plan.dry_run(f, opts, ...) end
---Begins what dry_run does. "exists" where there is a plan in the folder, or one is being made.
---@param folder string?
function plan.begin(folder) end
---Ends it.
---@param folder string? as it was begun with
---@return luff.PlannedStep[]
function plan.finish(folder) end
---Begins and ends it around f, which gives an exit code or ends the program; shows the steps on stderr. `luff --dry-run` is that.
---@param folder string?
---@param f function
---@param ... any
---@return integer
function plan.run(folder, f, ...) end
---The steps of the plan in a folder.
---@param folder string
---@return luff.PlannedStep[]
function plan.read(folder) end
---Does what the plan in a folder says; once more where that broke off. "denied": a name stands for something else than when it was
---made, and nothing was done.
---@param folder string
function plan.apply(folder) end
---Steps for people, one a line; blobs are counted only.
---@param steps luff.PlannedStep[]
---@return string
function plan.describe(steps) end

---@class luff.PlannedStep
---@field kind "blob"|"manifest"|"tag"|"untag"|"delete"|"delete_blob"|"stands" stands: nothing is done; what a tag stood for where a manifest is deleted
---@field place string
---@field from string? of a blob: where its bytes are; absent: in the plan
---@field digest string
---@field size integer
---@field media_type string?
---@field tag string?
---@field before string? digest that the tag stood for; absent: nothing
---@field force boolean?
---@field plain_http boolean?
---@field from_plain_http boolean?

---Retention: `require("luff.prune").run { from = "ghcr.io/org/app", keep = 5, delete = true }`. A manifest goes with its last tag,
---unless one that stays lists it, and with it its referrers and cosign's tags.
---@class luff.prune
local prune = {}

---One run.
---@param opts luff.PruneOptions
---@return luff.PruneSummary
function prune.run(opts) end

---@class luff.PruneOptions keep, older_than or both
---@field from string a repository or layout, without a tag
---@field tags luff.select? which tags it is about, by name; all where absent
---@field group string|(fun(tag: string): any)|nil a Lua pattern whose first capture, or a function, tells the group; no tag of none goes
---@field keep integer? of each group so many of the newest stay
---@field by "created"|"version"|(fun(tag: string): any)|nil what is newest: "created" where absent; a function gives what can be compared
---@field older_than string|number|nil an age (luff.time): only what is older goes. What has no known age stays
---@field protect string|string[]|nil patterns: they stay, and all tags of the same digest
---@field max integer? so many tags at most, else none; 20 where absent
---@field delete boolean? does it; else only says it
---@field jobs integer? questions at a time; 8 where absent
---@field plain_http boolean?

---@class luff.PruneSummary
---@field place string
---@field count integer tags that go by the rules
---@field manifests integer that go, or went
---@field deleted integer tags
---@field kept integer
---@field failed integer
---@field over boolean it is more than max
---@field entries { tag: string, digest: string, created: number?, status: string, why: string?, error: any }[] status: "goes" or "kept" before, "deleted", "kept" or "failed" after

---Files in registries and layouts, as layers with titles, in the way of oras: `require "luff.artifact"`.
---@class luff.artifact
local artifact = {}

---Stores files under a name.
---@param to luff.name
---@param opts { files: (string|table)[]?, type: string?, subject: string?, annotations: table<string, string>?, plain_http: boolean? } files: paths, or tables of path, title, type and annotations; a folder goes as a tar.gz, and the title is the path, without "./" in front; type: what the artifact is, "application/vnd.example+json"; subject: the name of an image or index in the same place that it refers to
---@return luff.Image
function artifact.push(to, opts) end
---Stores files that refer to what a name stands for; they have a digest, and no tag.
---@param name luff.name
---@param opts { files: (string|table)[]?, type: string?, annotations: table<string, string>?, plain_http: boolean? } as artifact.push has them
---@return luff.Image
function artifact.attach(name, opts) end
---Puts the files of an artifact into a folder, each under its title (Image:save).
---@param name luff.name
---@param opts { folder: string?, platform: string?, plain_http: boolean? }? folder: the current one where absent
---@return { digest: string, files: string[], bytes: integer, skipped: integer }
function artifact.pull(name, opts) end
---What refers to a name's manifest, and to that, and so on: the descriptor of the name, with a list `referrers`, whose
---descriptors have such lists, too.
---@param name luff.name
---@param opts { type: string?, plain_http: boolean? }? type: only artifacts of that type, at the first level
---@return table
function artifact.tree(name, opts) end

---Pages of HTML about images and repositories, each one text that needs no network: `require "luff.report"`.
---@class luff.report
local report = {}

---The page of an image, or of an index and its image for a platform.
---@param found luff.name|luff.Image|luff.Index
---@param opts { name: string?, platform: string?, plain_http: boolean? }? name: what the page calls it; platform: of an index, the machine's where absent
---@return string
function report.image(found, opts) end
---The page of a repository or layout: its tags, and what they share. A tag that cannot be read is in it with the error.
---@param place string without a tag
---@param opts { jobs: integer?, plain_http: boolean? }? jobs: tags at a time, 8 where absent
---@return string
function report.repository(place, opts) end

---The prompt of the program, for others to have one: `require("luff.repl").run { input = …, output = …, env = … }`.
---@class luff.repl
local repl = {}

---Reads, runs and prints until the input ends. What is typed may call help(x), _ is the last value, and a line that begins with
---a colon is for the prompt (":help"). Without input and output it is on the terminal; lines are edited (libedit) and signals
---caught by the luff program alone.
---@param opts { input: (file*|fun(prompt: string): string?)?, output: (file*|fun(text: string))?, errors: (file*|fun(text: string))?, env: table?, columns: integer? }? input: gives a line for each prompt, nil at the end; it may yield, where run was called in a coroutine; output: takes values; errors: takes what goes wrong; where output does in its absence; env: the globals of what is typed, _G where absent; columns: how wide values are shown
function repl.run(opts) end

---Prints values as the prompt shows them; scripts that :save wrote call it.
---@param ... any
---@return any # the first
function repl.show(...) end

---What is different between two images: `require "luff.diff"`.
---@class luff.diff
local diff = {}

---@param a luff.Image
---@param b luff.Image
---@param opts { pattern: string?, times: boolean?, contents: boolean? }? as Tree:diff has them
---@return { same: boolean, config: table[], history: table[], layers: table[], files: luff.Change[] } # config: path, from and to of each difference; history: steps as diff.lists has them; layers: kind ("same", "recompressed", "added", "removed"), from and to
function diff.images(a, b, opts) end
---The steps from list a to list b: { { "=", value }, { "-", value }, { "+", value }, … }.
---@param a any[]
---@param b any[]
---@return table[]
function diff.lists(a, b) end
---Whether bytes are a text that can be shown line by line.
---@param bytes string
---@return boolean
function diff.is_text(bytes) end
---The hunks of a unified diff with three lines around each change; "" where there is no difference.
---@param a string
---@param b string
---@return string
function diff.texts(a, b) end

---What a daemon does itself, Docker or Podman: `require "luff.daemon"`. luff.copy moves images to and from it; with these it moves
---them, through its own mirrors and network, with the login that luff has for their registry.
---@class luff.daemon
local daemon = {}

---Has it fetch an image from its registry.
---@param name string "nginx:1.27", without a transport
---@param opts { platform: string?, progress: fun(event: { status: string, id: string?, bytes: integer?, total: integer? })? }?
function daemon.pull(name, opts) end
---Has it send one of its images to the registry that the name says.
---@param name string
---@param opts { progress: fun(event: table)? }? as for daemon.pull
function daemon.push(name, opts) end
---Has it remove the images that have no name, with `all` also those that no container uses.
---@param opts { all: boolean? }?
---@return { images: integer, names: integer, bytes: integer } # what went
function daemon.prune(opts) end

---Lines on stderr: `local log = require "luff.log"`.
---@class luff.log
local log = {}

---How lines are written from now on; at first text, from "info" on, to stderr.
---@param opts { level: "debug"|"info"|"warn"|"error"|nil, format: "text"|"json"|nil, write: fun(line: string)? }
function log.set(opts) end
---@param message string
---@param fields table<string, any>? "copied tag=v1", or members of the line's JSON
function log.debug(message, fields) end
---@param message string
---@param fields table<string, any>?
function log.info(message, fields) end
---@param message string
---@param fields table<string, any>?
function log.warn(message, fields) end
---@param message string
---@param fields table<string, any>?
function log.error(message, fields) end

---Places in a text to fill in, in the way of Go's text/template: `local template = require "luff.template"`. Between {{ and }} stand
---.field.field, "text", numbers, function calls, a | f, and if, else, with, range, end. Functions: default join split lower upper
---trimSpace json jsonPretty printPretty time print printf println len index not and or eq ne lt le gt ge.
---@class luff.template
local template = {}

---A function from a table to the text. "bad_format" says in which line it is wrong.
---@param text string
---@param opts { functions: table<string, function>?, name: string? }? more functions; a name for messages
---@return fun(data: any): string
function template.compile(text, opts) end
---@param text string
---@param data any
---@param opts { functions: table<string, function>?, name: string? }?
---@return string
function template.render(text, data, opts) end

---Runs what was written for regbot: `local bot = require "luff.regbot.bot"`. A script is a text, or function(_ENV), whose _ENV has
---what regbot's scripts know as globals: log, reference, repo, tag, manifest, image, blob. `due` is as luff.schedule has it; `timeout`
---in seconds. `luff convert` writes programs with it.
---@class luff.regbot.bot
local bot = {}

---Each script once, so many at a time. What fails is in the log.
---@param config { scripts: { name: string, script: string|fun(_ENV: table), timeout: number?, due: string? }[], parallel: integer }
---@param dry_run boolean?
---@return integer failed
function bot.once(config, dry_run) end
---Each script when it is due, until the program is interrupted.
---@param config { scripts: table[], parallel: integer }
---@param dry_run boolean?
function bot.serve(config, dry_run) end

---When something is due: `local schedule = require "luff.schedule"`.
---@class luff.schedule
local schedule = {}

---A function from an instant to the next one after it that is due, in local time; nil where there is none.
---@param text string "30 2 * * mon-fri" as cron has it, "@hourly", "@every 90m"
---@return fun(from: integer): integer?
function schedule.parse(text) end

return luff
