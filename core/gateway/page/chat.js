// The chat page: signs in, keeps the rooms, and shows one of them.
import { Composer } from "./chat-composer.js";
import { PeopleList, RoomList } from "./chat-lists.js";
import { LogView } from "./chat-log.js";
import { ChatRoom } from "./chat-room.js";
import { kept, startDrawers, startKeys, startLinkState, startTheme } from "./chat-shell.js";
import { askWho, readFragment, who, writeRoom } from "./chat-sign-in.js";
import { makeAvatar } from "./chat-text.js";
import { connect } from "./moonpool.js";

const FIRST_ROOM = "lobby"; // where there is none yet
const LOOK = 30_000; // ms between two looks which rooms there are
const MOST_ROOMS = 50; // joined again after the page was away

const byId = (id) => document.getElementById(id);

/** @type {import("./moonpool.js").Client | null} */ let client = null;
/** @type {Map<string, ChatRoom>} */ const rooms = new Map();
/** @type {ChatRoom | null} */ let current = null;
let others = [];
let asked; // the room that the address named, or that was left when the connection ended

startTheme();
const drawers = startDrawers();
const log = new LogView((room) => room.read());
const composer = new Composer(log);
const people = new PeopleList();
const roomList = new RoomList({ onOpen: openRoom, onLeave: leaveRoom });
const showLink = startLinkState(() => client?.retry());
startKeys({
  onEscape() {
    if (drawers.close()) return;
    log.goToEnd();
    composer.focus();
  },
  onRooms() {
    drawers.openRooms();
    roomList.focus();
  },
  onStep: stepRoom,
});
byId("sign-out").addEventListener("click", signOut);
addEventListener("hashchange", () => {
  const { room } = readFragment();
  if (room && client) openRoom(room);
});
document.addEventListener("visibilitychange", () => log.update());
setInterval(lookForRooms, LOOK);

// ---- rooms --------------------------------------------------------------------------------------

function sortedRooms() {
  return [...rooms.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function isSeen(room) {
  return room === current && document.visibilityState === "visible" && log.isFollowing;
}

function onRoomChange(room, what) {
  if (what === "left") forgetRoom(room, room.problem);
  if (what === "unread") updateRooms();
  if (room !== current) return;
  if (what === "messages") {
    composer.update();
    log.update();
  }
  if (what === "messages" || what === "typing") composer.updateTyping();
  if (what === "people") people.update();
}

async function openRoom(name) {
  drawers.close();
  byId("join-error").textContent = "";
  name = name.replace(/^room:/, "");
  const known = rooms.get(name);
  if (known) return showRoom(known);
  const before = current, room = addRoom(name);
  showRoom(room);
  await enterRoom(room, before);
}

function addRoom(name) {
  const room = new ChatRoom(name, client, onRoomChange, isSeen);
  room.readId = kept.get("read", {})[name];
  rooms.set(name, room);
  return room;
}

/** Back to the room before, if this one cannot be entered. */
async function enterRoom(room, before) {
  const asked = client;
  try {
    await room.open();
    keepRooms();
    updateRooms();
  } catch (error) {
    if (asked === client && rooms.get(room.name) === room) forgetRoom(room, error.reason ?? String(error), before);
  }
}

function forgetRoom(room, reason, before) {
  rooms.delete(room.name);
  if (reason) byId("join-error").textContent = `${room.name}: ${reason}`;
  if (reason && room === current) drawers.openRooms();
  if (room === current) showRoom(rooms.get(before?.name) ?? sortedRooms()[0] ?? null);
  keepRooms();
  updateRooms();
}

function leaveRoom(name) {
  const room = rooms.get(name);
  room.close();
  forgetRoom(room, "");
  composer.focus();
  lookForRooms();
}

function showRoom(room) {
  current = room;
  byId("title").classList.toggle("is-room", Boolean(room));
  byId("title-name").textContent = room ? room.name : "moonpool";
  byId("empty").hidden = Boolean(room);
  byId("empty").textContent = room ? "" : "Choose a room, or open a new one.";
  composer.show(room);
  log.show(room);
  people.show(room);
  writeRoom(room?.name);
  keepRooms();
  updateRooms();
  if (room && matchMedia("(hover: hover)").matches) composer.focus();
}

function stepRoom(by) {
  const list = sortedRooms();
  if (list.length > 0) showRoom(list[(list.indexOf(current) + by + list.length) % list.length]);
}

function updateRooms() {
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${current ? `${current.name} – ` : ""}moonpool`;
  byId("elsewhere").hidden = ![...rooms.values()].some((room) => room !== current && room.unread > 0);
  roomList.update({ rooms: sortedRooms(), others: others.filter(({ room }) => !rooms.has(room)), current });
}

async function lookForRooms() {
  if (client?.state !== "open" || document.visibilityState !== "visible") return;
  try {
    others = (await client.rooms()).sort((a, b) => a.room.localeCompare(b.room));
    updateRooms();
  } catch {
    // The list that is there stays; the next look may be luckier.
  }
}

function keepRooms() {
  if (!client?.user) return;
  kept.set(`rooms.${client.user}`, { names: [...rooms.keys()].slice(0, MOST_ROOMS), current: current?.name });
}

addEventListener("pagehide", () => {
  const read = kept.get("read", {});
  for (const room of rooms.values()) if (room.readId) read[room.name] = room.readId;
  kept.set("read", Object.fromEntries(Object.entries(read).slice(-200)));
});

// ---- signing in -----------------------------------------------------------------------------------

/** The rooms of last time, and the one that the address names. */
async function enterRooms() {
  const { names = [], current: last } = kept.get(`rooms.${client.user}`, {});
  await lookForRooms();
  const first = asked || last || names[0] || others[0]?.room || FIRST_ROOM;
  asked = undefined;
  for (const name of new Set([...names, first])) {
    const room = rooms.get(name) ?? addRoom(name);
    if (name === first) showRoom(room);
    enterRoom(room);
  }
}

function onOpen(given) {
  who.keep(given);
  byId("app").hidden = false;
  byId("me-name").textContent = client.user;
  const avatar = makeAvatar(client.user);
  byId("me-avatar").className = avatar.className;
  byId("me-avatar").textContent = avatar.textContent;
  if (rooms.size === 0) enterRooms();
  else lookForRooms();
}

async function onEnd(error) {
  asked ??= current?.name;
  forgetAll();
  const needsToken = error.code === "EAUTH";
  signIn(await askWho({ error: error.reason, needsToken }));
}

function forgetAll() {
  client = null;
  who.forget();
  rooms.clear();
  others = [];
  byId("join-error").textContent = "";
  showRoom(null);
}

function signIn(given) {
  const mine = connect(undefined, given);
  client = mine;
  showLink({ state: "connecting", attempt: 0 });
  mine.on("state", (change) => {
    if (client !== mine) return;
    showLink(change);
    byId("app").hidden = false;
    if (change.state === "closed") onEnd(change.error);
  });
  mine.on("open", () => client === mine && onOpen(given));
}

async function signOut() {
  const mine = client;
  forgetAll();
  mine?.close();
  signIn(await askWho());
}

async function start() {
  const { room, user, token } = readFragment();
  const given = token ? { token } : user ? { user } : who.recall();
  asked = room;
  signIn(given ?? await askWho());
}

start();
