// Builds dist from src. The same sources and the same versions of the tools (package-lock.json) give the same bytes.
// node build.mjs --check builds elsewhere and compares.
import { build } from "esbuild";
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const limit = 200 * 1024; // bytes of all files together

async function buildTo(dir) {
  await mkdir(dir, { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx" },
    outdir: dir,
    bundle: true,
    minify: true,
    format: "iife",
    target: ["chrome115", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    charset: "utf8",
    legalComments: "eof",
  });
  await build({ absWorkingDir: here, entryPoints: { app: "src/app.css" }, outdir: dir, minify: true, target: ["chrome115", "firefox115", "safari16.4"] });
  for (const name of ["index.html", "icon.svg"]) await copyFile(join(here, "src", name), join(dir, name));
}

async function contents(dir) {
  const names = (await readdir(dir)).sort();
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name))])));
}

const dist = join(here, "dist");
if (process.argv.includes("--check")) {
  const fresh = await mkdtemp(join(tmpdir(), "console-"));
  try {
    await buildTo(fresh);
    const [built, committed] = [await contents(fresh), await contents(dist)];
    const names = new Set([...built.keys(), ...committed.keys()]);
    const differ = [...names].filter((name) => !built.get(name) || !committed.get(name) || !built.get(name).equals(committed.get(name)));
    if (differ.length > 0) {
      console.error(`dist is not what src builds to: ${differ.join(", ")}. Run make console and commit it.`);
      process.exitCode = 1;
    }
  } finally {
    await rm(fresh, { recursive: true });
  }
} else {
  await rm(dist, { recursive: true, force: true });
  await buildTo(dist);
}
const size = [...(await contents(dist)).values()].reduce((sum, file) => sum + file.length, 0);
console.log(`dist has ${size} bytes`);
if (size > limit) {
  console.error(`that is more than ${limit}`);
  process.exitCode = 1;
}
