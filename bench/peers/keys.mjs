// The keys and values of `commands`. They must be those of lib/keys.lua and keys.h.
const COUNT = 10000;
const SEED = 20261122;

// The names and their values, in the order in which they are asked for. The minimal standard
// generator (Park and Miller).
export const make_keys = () => {
  const names = [];
  const values = [];
  let x = SEED;
  for (let i = 0; i < COUNT; i++) {
    x = (x * 16807) % 2147483647;
    const digits = String(x).padStart(10, "0");
    names.push(`key:${digits}`);
    values.push(`${digits.repeat(6)}....`);
  }
  return { names, values };
};
