// A form made from a JSON schema, which writes JSON. What it has no fields for is written as JSON by hand.
import { useState } from "preact/hooks";
import { wrongWith } from "./json";
import { visible } from "./format";

export type Schema = {
  type?: string; format?: string; description?: string; properties?: Record<string, Schema>; items?: Schema; additionalProperties?: Schema | boolean; anyOf?: Schema[];
  $ref?: string; $defs?: Record<string, Schema>; minimum?: number; maximum?: number; minItems?: number; contentEncoding?: string;
};

/** What is in a field: JSON as text, so that large integers stay what they are. */
type Field = { text: string };

const deepest = 5;

function resolve(s: Schema, root: Schema): Schema {
  const name = s.$ref?.replace("#/$defs/", "");
  return name === undefined ? s : root.$defs?.[name] ?? {};
}

/** The JSON of a value that has nothing in it. */
export function zero(s: Schema, root: Schema, depth = 0): string {
  s = resolve(s, root);
  if (s.anyOf?.some((one) => one.type === "null")) return "null";
  switch (s.type) {
    case "boolean": return "false";
    case "integer": case "number": return "0";
    case "string": return s.format === "date-time" ? JSON.stringify(new Date(0).toISOString()) : s.description?.startsWith("a duration") ? '"0s"' : '""';
    case "array": return "[" + Array.from({ length: s.minItems ?? 0 }, () => zero(s.items ?? {}, root, depth + 1)).join(",") + "]";
    case "object":
      if (depth > deepest) return "{}";
      return "{" + Object.entries(s.properties ?? {}).map(([name, p]) => `${JSON.stringify(name)}:${zero(p, root, depth + 1)}`).join(",") + "}";
  }
  return "null";
}

/** A form for a value of a schema. change is told its JSON, and what is wrong with it. */
export function Form({ schema, text, change, field }: { schema: Schema; text: string; change: (json: string, wrong: string) => void; field: string }) {
  const [byHand, setByHand] = useState(false);
  const set = (to: string) => change(to, wrongWith(to));
  const wrong = byHand ? wrongWith(text) : "";
  return (
    <div class="form">
      {byHand ? (
        <label>
          JSON
          <textarea rows={Math.min(14, text.split("\n").length + 2)} value={text} spellcheck={false} onInput={(e) => set(e.currentTarget.value)} aria-invalid={wrong !== ""} />
          {wrong && <span class="error">{wrong}</span>}
        </label>
      ) : (
        <Value schema={schema} root={schema} value={{ text }} set={(f) => set(f.text)} label="" path="" depth={0} field={field} />
      )}
      <button type="button" class="link" onClick={() => { if (!byHand || !wrong) setByHand(!byHand); }} disabled={wrong !== ""}>{byHand ? "Fill in fields" : "Write it as JSON"}</button>
    </div>
  );
}

type Props = { schema: Schema; root: Schema; value: Field; set: (to: Field) => void; label: string; path: string; depth: number; field: string };

function Value(p: Props) {
  const s = resolve(p.schema, p.root);
  const bad = p.field !== "" && p.field === p.path;
  const name = p.label || "value";
  if (p.depth > deepest) return <Raw {...p} />;
  const inner = s.anyOf?.find((one) => one.type !== "null");
  if (inner && s.anyOf?.length === 2) {
    const given = p.value.text !== "null";
    return (
      <div class="optional">
        <label class="check"><input type="checkbox" checked={given} onChange={() => p.set({ text: given ? "null" : zero(inner, p.root) })} /> {visible(name)}</label>
        {given && <Value {...p} schema={inner} />}
      </div>
    );
  }
  switch (s.type) {
    case "boolean":
      return <label class="check"><input type="checkbox" checked={p.value.text === "true"} onChange={(e) => p.set({ text: String(e.currentTarget.checked) })} /> {visible(name)}</label>;
    case "integer":
    case "number":
      return <NumberField {...p} integer={s.type === "integer"} bad={bad} schema={s} />;
    case "string":
      return (
        <label>
          {visible(name)} {s.contentEncoding && <span class="faint">(base64)</span>}
          <input type="text" value={textOf(p.value.text)} placeholder={s.format === "date-time" ? "2026-01-31T12:00:00Z" : s.description?.startsWith("a duration") ? "1m30s" : ""}
            aria-invalid={bad} onInput={(e) => p.set({ text: JSON.stringify(e.currentTarget.value) })} />
        </label>
      );
    case "array":
      return s.items ? <List {...p} items={s.items} fixed={s.minItems !== undefined} /> : <Raw {...p} />;
    case "object":
      return s.properties ? <Fields {...p} properties={s.properties} /> : <Raw {...p} />;
  }
  return <Raw {...p} />;
}

function textOf(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}

function NumberField({ label, value, set, integer, bad, schema }: Props & { integer: boolean; bad: boolean }) {
  const valid = integer ? /^-?\d+$/.test(value.text) : /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value.text);
  return (
    <label>
      {visible(label || "value")}
      <input type="text" inputMode={integer ? "numeric" : "decimal"} value={value.text} aria-invalid={bad || !valid} onInput={(e) => set({ text: e.currentTarget.value.trim() })} />
      {!valid && <span class="error">{integer ? "A whole number" : "A number"}{schema.minimum === 0 ? ", not negative" : ""}</span>}
    </label>
  );
}

function Raw({ label, value, set, path, field }: Props) {
  const wrong = wrongWith(value.text);
  return (
    <label>
      {visible(label || "value")} <span class="faint">(JSON)</span>
      <textarea rows={3} value={value.text} spellcheck={false} aria-invalid={wrong !== "" || (field !== "" && field === path)} onInput={(e) => set({ text: e.currentTarget.value })} />
      {wrong && <span class="error">{wrong}</span>}
    </label>
  );
}

/** The parts of an object or an array, as JSON texts. A part that is no JSON yet keeps what was typed. */
export function split(text: string): { key: string; text: string }[] {
  const parts: { key: string; text: string }[] = [];
  const body = text.trim().slice(1, -1);
  const isObject = text.trim().startsWith("{");
  let depth = 0, start = 0, quoted = false;
  const end = (i: number) => {
    const one = body.slice(start, i).trim();
    start = i + 1;
    if (one === "" && body.trim() === "") return;
    const key = isObject ? /^"(?:[^"\\]|\\.)*"/.exec(one)?.[0] ?? "" : "";
    parts.push({ key: key ? textOf(key) : "", text: isObject ? one.slice(key.length).replace(/^\s*:\s*/, "") : one });
  };
  for (let i = 0; i < body.length; i++) {
    const c = body[i];
    if (quoted) {
      if (c === "\\") i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") depth--;
    else if (c === "," && depth === 0) end(i);
  }
  end(body.length);
  return parts;
}

function pointer(path: string, key: string): string {
  return `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function Fields({ properties, ...p }: Props & { properties: Record<string, Schema> }) {
  const now = new Map(split(p.value.text).map((part) => [part.key, part.text]));
  const names = Object.keys(properties).sort();
  const set = (name: string, to: Field) => {
    now.set(name, to.text);
    p.set({ text: "{" + names.map((n) => `${JSON.stringify(n)}:${now.get(n) ?? zero(properties[n]!, p.root)}`).join(",") + "}" });
  };
  const fields = names.map((name) => (
    <Value key={name} {...p} schema={properties[name]!} value={{ text: now.get(name) ?? zero(properties[name]!, p.root) }} set={(to) => set(name, to)} label={name}
      path={pointer(p.path, name)} depth={p.depth + 1} />
  ));
  if (names.length === 0) return <p class="faint">It has no fields.</p>;
  return p.label ? <fieldset><legend>{visible(p.label)}</legend>{fields}</fieldset> : <>{fields}</>;
}

function List({ items, fixed, ...p }: Props & { items: Schema; fixed: boolean }) {
  const parts = split(p.value.text).map((part) => part.text);
  const put = (to: string[]) => p.set({ text: `[${to.join(",")}]` });
  return (
    <fieldset>
      <legend>{visible(p.label || "list")}</legend>
      {parts.map((text, i) => (
        <div class="item" key={i}>
          <Value {...p} schema={items} value={{ text }} set={(to) => put(parts.map((old, at) => (at === i ? to.text : old)))} label={String(i + 1)} path={pointer(p.path, String(i))} depth={p.depth + 1} />
          {!fixed && <button type="button" class="link" aria-label={`Remove ${i + 1}`} onClick={() => put(parts.filter((_, at) => at !== i))}>Remove</button>}
        </div>
      ))}
      {!fixed && parts.length < 100 && <button type="button" onClick={() => put([...parts, zero(items, p.root)])}>Add</button>}
    </fieldset>
  );
}
