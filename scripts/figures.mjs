// See scripts/figures.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const tree = process.argv[2] ?? ".";
const PROVIDER = /^src\/(idp|cognito)\//;

const files = readdirSync(join(tree, "src"), { recursive: true })
  .filter((f) => /\.[ch]$/.test(f))
  .map((f) => `src/${f}`)
  .sort();
const text = new Map(files.map((f) => [f, readFileSync(join(tree, f), "utf8")]));
const lines = (f) => text.get(f).split("\n").length - 1;

// pmccabe: modified complexity, complexity, statements, first line, lines, FILE(LINE): NAME.
const functions = execFileSync("pmccabe", files.filter((f) => f.endsWith(".c")), { cwd: tree, encoding: "utf8" })
  .split("\n")
  .filter(Boolean)
  .map((line) => {
    const [complexity, , , first, length, where, name] = line.split(/\s+/);
    const file = where.replace(/\(\d+\):$/, "");
    return { name, file, complexity: Number(complexity), first: Number(first), length: Number(length) };
  });

// Commas of the outermost parentheses behind the function's name.
function parameters({ file, first, name }) {
  const source = text.get(file).split("\n").slice(first - 1, first + 20).join("\n");
  let depth = 0;
  let count = 1;
  for (const c of source.slice(source.indexOf("(", source.indexOf(name)))) {
    if (c === "(") depth++;
    if (c === ")" && --depth === 0) return count;
    if (c === "," && depth === 1) count++;
  }
  throw new Error(`${file}:${first}: no end of the parameters of ${name}`);
}

// A module is a .c file with its header, or a header alone.
const module = (f) => f.replace(/\.[ch]$/, "");
const includes = new Map();
for (const f of files) {
  const set = includes.get(module(f)) ?? new Set();
  for (const [, h] of text.get(f).matchAll(/^#include "([^"]+)"/gm)) set.add(module(`src/${h}`));
  set.delete(module(f));
  includes.set(module(f), set);
}

// Strongly connected components with more than one module (Tarjan).
function cycles() {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (m) => {
    index.set(m, index.size);
    low.set(m, index.get(m));
    stack.push(m);
    for (const other of includes.get(m) ?? []) {
      if (!index.has(other)) {
        visit(other);
        low.set(m, Math.min(low.get(m), low.get(other)));
      } else if (stack.includes(other)) low.set(m, Math.min(low.get(m), index.get(other)));
    }
    if (low.get(m) !== index.get(m)) return;
    const part = stack.splice(stack.indexOf(m));
    if (part.length > 1) found.push(part.join(" "));
  };
  for (const m of includes.keys()) if (!index.has(m)) visit(m);
  return found;
}

// A .c file without a header of the same name says in its first comment whose private part it is.
function withoutHeader() {
  return files.filter(
    (f) =>
      f.endsWith(".c") &&
      f !== "src/main.c" &&
      !text.has(f.replace(/\.c$/, ".h")) &&
      !/^\s*\/\*\s*Private part of \S+\.[ch]\b/.test(text.get(f)),
  );
}

const modules = new Map();
for (const f of files) {
  const module = dirname(f);
  modules.set(module, (modules.get(module) ?? 0) + lines(f));
}
const total = files.reduce((sum, f) => sum + lines(f), 0);
const [largest, size] = [...modules].sort((a, b) => b[1] - a[1])[0];
const share = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;
const at = (f) => `${f.file}:${f.first} ${f.name}`;

const many = functions.filter((f) => parameters(f) > 5);
const complex = functions.filter((f) => f.complexity > 10);
const longest = functions.reduce((a, b) => (b.length > a.length ? b : a));
const nameProvider = files.filter((f) => !PROVIDER.test(f) && /cognito/i.test(text.get(f)));
const figures = {
  lines: [total, [...modules].map(([module, n]) => `${module} ${n}`)],
  "functions with more than 5 parameters": [many.length, many.map((f) => `${at(f)} ${parameters(f)}`)],
  "longest function": [`${longest.length} lines`, [at(longest)]],
  "functions with a complexity over 10": [share(complex.length, functions.length), complex.map((f) => `${at(f)} ${f.complexity}`)],
  "files without a header of their own that do not say why": [withoutHeader().length, withoutHeader()],
  "largest module": [`${largest} ${share(size, total)}`, [`${largest} ${size}`]],
  "files outside the provider's module that name Cognito": [nameProvider.length, nameProvider],
  "cycles between files": [cycles().length, cycles()],
  "files under 30 lines": [
    files.filter((f) => f.endsWith(".c") && lines(f) < 30).length,
    files.filter((f) => f.endsWith(".c") && lines(f) < 30),
  ],
};

if (process.argv[3] === "list") {
  for (const item of figures[process.argv[4]][1]) console.log(item);
} else for (const [name, [value]] of Object.entries(figures)) console.log(`${name}: ${value}`);
