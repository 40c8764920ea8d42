// Numbers and times as people say them. All times are UTC.

const DASH = "–";
const known = (value) => value !== null && value !== undefined;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const compact = (value) => short.format(value);
export const number = (value) => (known(value) ? whole.format(value) : DASH);
export const fixed = (value, digits) => (known(value) ? value.toFixed(digits) : DASH);
export const share = (value, digits = 0) => (known(value) ? `${(100 * value).toFixed(digits)} %` : DASH);

export function rate(value) {
  return known(value) ? (value >= 10 ? whole.format(value) : String(Number(value.toFixed(value >= 1 ? 1 : 2)))) : DASH;
}

export function part(some, all) {
  return all ? share(some / all, some && some / all < 0.01 ? 2 : 1) : DASH;
}

export function milliseconds(seconds, longest = 2.5) {
  if (!known(seconds)) return DASH;
  return seconds >= longest ? "2.5 s or more" : `${rate(1000 * seconds)} ms`;
}

export function bytes(value) {
  if (!known(value)) return DASH;
  const power = Math.min(4, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return `${rate(value / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

export function duration(seconds) {
  if (!known(seconds)) return DASH;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export const ago = (at, now) => (known(at) ? `${duration(Math.max(0, Math.round(now - at)))} ago` : DASH);
export const clock = (at) => new Date(1000 * at).toISOString().slice(11, 19);
export const minute = (at) => new Date(1000 * at).toISOString().slice(11, 16);
export const moment = (at) => (known(at) ? new Date(1000 * at).toISOString().slice(0, 16).replace("T", " ") : DASH);
export const orDash = (value) => (known(value) && value !== "" ? String(value) : DASH);
