// JSON as text. Integers of 64 bits stay what they are: nothing here takes them for JavaScript's numbers.

export type Token = { text: string; kind: "key" | "string" | "number" | "word" | "sign" };

/** Writes JSON with a line for each part. What is no JSON comes back as it is. */
export function pretty(text: string): Token[] {
  const out: Token[] = [];
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\]:,]|\s+|[^]/g) ?? [];
  const solid = tokens.filter((t) => !/^\s+$/.test(t));
  let depth = 0;
  const line = () => out.push({ text: "\n" + "  ".repeat(depth), kind: "sign" });
  solid.forEach((t, i) => {
    const next = solid[i + 1];
    const before = solid[i - 1];
    if (t === "{" || t === "[") {
      out.push({ text: t, kind: "sign" });
      depth++;
      if (next !== "}" && next !== "]") line();
    } else if (t === "}" || t === "]") {
      depth = Math.max(0, depth - 1);
      if (before !== "{" && before !== "[") line();
      out.push({ text: t, kind: "sign" });
    } else if (t === ",") {
      out.push({ text: t, kind: "sign" });
      line();
    } else if (t === ":") {
      out.push({ text: ": ", kind: "sign" });
    } else {
      const kind = t.startsWith('"') ? (next === ":" ? "key" : "string") : /^[-\d]/.test(t) ? "number" : "word";
      out.push({ text: t, kind });
    }
  });
  return out;
}

/** What is wrong with a text that is to be JSON; "" if nothing is. */
export function wrongWith(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (e) {
    return (e as Error).message;
  }
}
