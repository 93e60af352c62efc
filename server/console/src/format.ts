// How values are shown.

/** Text that somebody else wrote, with what would not be seen, or would turn other text around, made visible. */
export function visible(text: string, most = 200): string {
  const shown = text.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g, (c) => {
    if (c === "\n") return "⏎";
    return "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
  });
  const letters = Array.from(shown);
  return letters.length > most ? letters.slice(0, most).join("") + "…" : shown;
}

/** A duration in milliseconds, in a unit that fits. */
export function duration(ms: number): string {
  if (!isFinite(ms)) return "–";
  const abs = Math.abs(ms);
  if (abs === 0) return "0 ms";
  if (abs < 1) return `${digits(ms * 1000)} µs`;
  if (abs < 1000) return `${digits(ms)} ms`;
  if (abs < 60_000) return `${digits(ms / 1000)} s`;
  if (abs < 3_600_000) return `${digits(ms / 60_000)} min`;
  if (abs < 48 * 3_600_000) return `${digits(ms / 3_600_000)} h`;
  return `${digits(ms / 86_400_000)} days`;
}

function digits(n: number): string {
  const abs = Math.abs(n);
  return n.toFixed(abs >= 100 ? 0 : abs >= 10 ? 1 : 2).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** A number with its thousands divided; large ones in short. */
export function count(n: number): string {
  if (!isFinite(n)) return "–";
  return Math.abs(n) >= 1_000_000 ? short.format(n) : plain.format(Math.abs(n) >= 100 ? Math.round(n) : n);
}

export function bytes(n: number): string {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (Math.abs(n) < 1024 || unit === "GiB") return `${digits(n)} ${unit}`;
    n /= 1024;
  }
  return "";
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export function time(ms: number): string {
  return ms ? clock.format(ms) : "–";
}

/** "1 call", "2 calls". */
export function plural(n: number, one: string, many = one + "s"): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A name without the part before its last slash. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
