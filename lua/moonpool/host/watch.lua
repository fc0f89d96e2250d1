--- Watches script files and folders of them for changes: what happens within a short while is
--- gathered into one call. Folders are what is watched in truth, since editors put a new file into
--- the old one's place.
local moonpool = require "moonpool"
local script_files = require "moonpool.host.script_files"
local system = require("moonpool.core").system

local watch = {}

local QUIET_SECONDS = 0.05 -- without an event, until a change is over
local MOST_SECONDS = 1 -- from the first event on, whatever comes
local RETRY_SECONDS = 1 -- until a folder that has vanished is looked for again

---@class moonpool.host.changes paths as they were given, or of files in folders that were given
---@field changed string[]
---@field added string[]
---@field removed string[]

---@class moonpool.host.watch
---@field package folders table<string, table> by path
---@field package fn fun(changes: moonpool.host.changes)
---@field package timer table? of the gathering under way
---@field package retry table? of folders that have vanished
---@field package since number when the gathering began
---@field package is_busy boolean fn runs: what changes meanwhile is told afterwards
---@field package is_closed boolean
local methods = {}
local mt = { __name = "moonpool.host.watch", __index = methods }

-- ---- what is in a folder -----------------------------------------------------------------------

local function exists(path) return system.realpath(path) ~= nil end

-- The paths of interest in a folder that are there now.
local function present_in(folder)
  local present = {}
  for name, path in pairs(folder.files) do
    if exists(path) then present[name] = path end
  end
  if folder.is_whole then
    for _, name in ipairs(system.files_in(folder.path, ".lua") or {}) do
      present[name] = present[name] or folder.prefix .. name
    end
  end
  return present
end

-- ---- gathering ---------------------------------------------------------------------------------

local gather

local function on_event(self, folder, name)
  if self.is_closed or folder.is_closed then return end
  if name then folder.touched[name] = true end
  -- The folder itself was moved or removed: another may be there.
  if not name or name == folder.name then folder.is_doubtful = true end
  gather(self)
end

local function close_handle(folder)
  if folder.handle then folder.handle:close() end
  folder.handle = nil
end

-- Watches what is at the path now; the folder may be another than before.
local function open(self, folder)
  local handle, message, code = system.watch(folder.path == "" and "." or folder.path,
    function(name) on_event(self, folder, name) end)
  close_handle(folder)
  folder.handle = handle
  return handle, message, code
end

local function look_for_lost(self)
  if self.retry then return end
  self.retry = moonpool.timer(RETRY_SECONDS, function()
    local is_any_lost = false
    for _, folder in pairs(self.folders) do
      if not folder.handle then
        if open(self, folder) then
          folder.is_doubtful = true
          gather(self)
        else
          is_any_lost = true
        end
      end
    end
    if is_any_lost then return end
    self.retry:close()
    self.retry = nil
  end)
end

-- What has become of a folder's files since they were looked at last.
local function compare(folder, changes)
  local before, now = folder.present, present_in(folder)
  for name, path in pairs(now) do
    if not before[name] then
      table.insert(changes.added, path)
    elseif folder.touched[name] or folder.is_doubtful then
      table.insert(changes.changed, path)
    end
  end
  for name, path in pairs(before) do
    if not now[name] then table.insert(changes.removed, path) end
  end
  folder.present, folder.touched, folder.is_doubtful = now, {}, false
end

local function is_touched(folder) return folder.is_doubtful or next(folder.touched) ~= nil end

local function conclude(self)
  local changes, is_any_lost = { changed = {}, added = {}, removed = {} }, false
  for _, folder in pairs(self.folders) do
    if is_touched(folder) then
      if not open(self, folder) then is_any_lost = true end
      compare(folder, changes)
    end
  end
  if is_any_lost then look_for_lost(self) end
  for _, list in pairs(changes) do table.sort(list) end
  if #changes.changed + #changes.added + #changes.removed == 0 then return end
  self.is_busy = true
  local ok, problem = pcall(self.fn, changes)
  self.is_busy = false
  if not ok then error(problem, 0) end
end

-- Begins to gather, or waits on.
function gather(self)
  self.last = moonpool.now()
  if self.timer then return end
  self.since = self.last
  self.timer = moonpool.timer(QUIET_SECONDS / 2, function()
    local now = moonpool.now()
    if self.is_busy then return end
    if now - self.last < QUIET_SECONDS and now - self.since < MOST_SECONDS then return end
    self.timer:close()
    self.timer = nil
    conclude(self)
  end)
end

-- ---- what is watched ---------------------------------------------------------------------------

local function folder_of(path) return path:match "^(.*/)[^/]*$" or "" end

local function folder_at(folders, prefix)
  local path = prefix:gsub("(.)/+$", "%1")
  folders[path] = folders[path] or {
    path = path, prefix = prefix, name = path:match "[^/]*$", files = {}, touched = {},
    is_whole = false, is_doubtful = false, is_closed = false,
  }
  return folders[path]
end

local function sort_out(paths)
  local folders = {}
  for _, path in ipairs(paths) do
    if script_files.is_folder(path) then
      folder_at(folders, path:gsub("/*$", "") .. "/").is_whole = true
    else
      folder_at(folders, folder_of(path)).files[path:match "[^/]*$"] = path
    end
  end
  return folders
end

local function close_folders(folders)
  for _, folder in pairs(folders) do
    folder.is_closed = true
    close_handle(folder)
  end
end

-- What was seen in a folder, and not told yet, is not forgotten by watching it for more or less.
local function take_over(folder, before)
  folder.touched, folder.is_doubtful = before.touched, before.is_doubtful
  for name in pairs(folder.present) do
    local was_watched = before.is_whole or before.files[name]
    if was_watched and not before.present[name] then folder.present[name] = nil end
  end
  for name, path in pairs(before.present) do
    local is_watched = folder.is_whole or folder.files[name]
    if is_watched and not folder.present[name] then folder.present[name] = path end
  end
end

--- Watches other paths from now on. What has changed at those that stay is told.
---@param paths string[] files, and folders for their *.lua
---@return boolean? ok nil: all is as it was
---@return string? message what cannot be watched
---@return string? code
function methods:set(paths)
  local folders = sort_out(paths)
  for _, folder in pairs(folders) do
    local ok, message, code = open(self, folder)
    if not ok then
      close_folders(folders)
      return nil, message, code
    end
    folder.present = present_in(folder)
    local before = self.folders[folder.path]
    if before then take_over(folder, before) end
  end
  close_folders(self.folders)
  self.folders = folders
  return true
end

--- Ends it; fn is not called any more.
function methods:close()
  self.is_closed = true
  close_folders(self.folders)
  self.folders = {}
  for _, name in ipairs { "timer", "retry" } do
    if self[name] then self[name]:close() end
    self[name] = nil
  end
end

--- Watches files, and folders for their *.lua: calls fn, in a task, when any has another content
--- (or was written again), is new, or is gone. It does not keep moonpool.run from returning.
---@param paths string[]
---@param fn fun(changes: moonpool.host.changes) may await; it is not called while it runs
---@return moonpool.host.watch?
---@return string? message what cannot be watched
---@return string? code
function watch.new(paths, fn)
  local self = setmetatable({ folders = {}, fn = fn, is_busy = false, is_closed = false }, mt)
  local ok, message, code = self:set(paths)
  if not ok then return nil, message, code end
  return self
end

return watch
