local irc_reader = require "moonpool.irc_reader"
local scratch = require "spec.support.scratch"

local function write(text) return scratch.write(scratch.folder() .. "/a.log", text) end

local function texts(reader)
  local list = {}
  for event in function() return reader:next() end do list[#list + 1] = event.text or event.type end
  return table.concat(list, "|")
end

describe("irc_reader", function()
  it("reads files one after the other", function()
    local first = write "[10:00] <a> one\n=== a is now known as b\n"
    local second = write ""
    local third = write "[10:01] <b> two\r\nnonsense\n=== b says hi\n[10:02] <b> end"
    local reader = assert(irc_reader.open { first, second, third })
    assert.equal("one|rename|two|end", texts(reader))
    assert.same({ message = 3, action = 0, join = 0, leave = 0, rename = 1, event = 1,
      unparsable = 1 }, reader.counts)
    assert.equal(6, reader.lines)
    assert.equal(reader.total_bytes, reader.bytes)
  end)

  it("tells where it is", function()
    local first, second = write "[10:00] <a> one\n", write "?\n[10:00] <a> two\n"
    local reader = assert(irc_reader.open { first, second })
    reader:next()
    assert.same({ first, 1 }, { reader:path(), reader.line })
    reader:next()
    assert.same({ second, 2 }, { reader:path(), reader.line })
  end)

  it("keeps every byte of a text", function()
    local text = "nul \0 cr \r latin \xE9 \xFF"
    local reader = assert(irc_reader.open { write("[10:00] <a> " .. text .. "\n") })
    assert.equal(text, reader:next().text)
  end)

  it("names a file that is not there, or is none", function()
    local good = write "[10:00] <a> one\n"
    local reader, message = irc_reader.open { good, "/nonexistent/b.log" }
    assert.is_nil(reader)
    assert.equal("/nonexistent/b.log: No such file or directory", message)
    reader, message = irc_reader.open { good, "/tmp" }
    assert.is_nil(reader)
    assert.equal("/tmp: Is a directory", message)
  end)

  it("says so when a file has gone meanwhile", function()
    local first, second = write "[10:00] <a> one\n", write "[10:00] <a> two\n"
    local reader = assert(irc_reader.open { first, second })
    assert(os.remove(second))
    reader:next()
    local event, message = reader:next()
    assert.is_nil(event)
    assert.equal(second .. ": No such file or directory", message)
  end)

  it("reads more files than a process may open at once", function()
    local path, paths = write "[10:00] <a> one\n", {}
    for index = 1, 3000 do paths[index] = path end
    local reader = assert(irc_reader.open(paths))
    repeat until not reader:next()
    assert.equal(3000, reader.counts.message)
  end)

  it("reads pipes, whose size nobody knows", function()
    local fifo = scratch.folder() .. "/fifo"
    scratch.shell("mkfifo " .. scratch.quote(fifo))
    local writer = io.popen("printf '[10:00] <a> piped\\n' > " .. scratch.quote(fifo))
    local reader = assert(irc_reader.open { fifo })
    assert.is_nil(reader.total_bytes)
    assert.equal("piped", texts(reader))
    writer:close()
  end)
end)
