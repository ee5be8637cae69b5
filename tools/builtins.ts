/**
 * Owns how a program that was bundled takes what the runtime has built in: by `process.getBuiltinModule`, which gives a module
 * as it is. `import` makes Node read every property of it, and so open stdin and load its streams.
 * Must not know what the program does.
 * Invariant: what a name is bound to is settled before the first statement runs, and nothing that is done to the module later
 * changes it, as with `import`.
 */
import { parse } from "acorn";
import type { ImportDeclaration } from "acorn";

/** The same program, without imports of what is built in. @param code Of a module. */
export function withoutFacades(code: string): string {
  const { body } = parse(code, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true });
  const start = /^#!.*\n/.exec(code)?.[0] ?? "";
  let all = "", text = "";
  let at = start.length;
  for (const node of body) {
    if (node.type !== "ImportDeclaration" || !String(node.source.value).startsWith("node:")) continue;
    all += taken(node);
    text += code.slice(at, node.start);
    at = node.end;
  }
  return start + all + text + code.slice(at);
}

function taken({ specifiers, source: { value } }: ImportDeclaration): string {
  const module = value === "node:process"
    ? "globalThis.process"
    : `globalThis.process.getBuiltinModule(${JSON.stringify(value)})`;
  const named: string[] = [];
  const whole: string[] = [];
  for (const specifier of specifiers) {
    const { local } = specifier;
    if (specifier.type !== "ImportSpecifier") whole.push(local.name);
    else {
      const { imported } = specifier;
      const name = imported.type === "Identifier" ? imported.name : JSON.stringify(imported.value);
      if (name === "default") whole.push(local.name);
      else named.push(`${name}:${local.name}`);
    }
  }
  const left = [...whole, ...named.length === 0 ? [] : [`{${named.join(",")}}`]];
  return left.length === 0 ? `${module};` : `const ${left.map((name) => `${name}=${module}`).join(",")};`;
}
