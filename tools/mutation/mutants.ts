/**
 * Owns the making of mutants: every small change of a source that a test should notice.
 * Must not know how tests are run.
 * Invariant: a mutant differs from its source in one place, and is given as a replacement of a range of its text.
 */
import { type Node, parse } from "acorn";
import { stripTypeScriptTypes } from "node:module";

/** One change: the text from `start` up to `end` becomes `text`. */
export interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Such as `< to <=`. */
  readonly what: string;
}

const SWAPPED: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++",
  "<<": ">>",
  ">>": "<<",
  "&": "|",
  "|": "&",
};
const SWAPPED_METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  push: "unshift",
  startsWith: "includes",
  endsWith: "includes",
  lastIndexOf: "indexOf",
};

type Walked = Node & Readonly<Record<string, unknown>>;

/** All mutants of a TypeScript source, in the order of its text. */
export function mutantsOf(source: string): Mutant[] {
  // Types become blanks, so that positions stay.
  const program = parse(stripTypeScriptTypes(source), { ecmaVersion: "latest", sourceType: "module" });
  const found: Mutant[] = [];
  walk(
    program as unknown as Walked,
    undefined,
    (node, parent) => found.push(...changesOf(node, parent, source)),
  );
  return found.sort((a, b) => a.start - b.start);
}

function walk(
  node: Walked,
  parent: Walked | undefined,
  visit: (node: Walked, parent: Walked | undefined) => void,
): void {
  // What is thrown or said is for people: its words are not held to anything here.
  if (node.type === "ThrowStatement" || node.type === "TemplateLiteral" || node.type.startsWith("Import")) {
    return;
  }
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, node, visit);
    }
  }
}

function isNode(value: unknown): value is Walked {
  return typeof value === "object" && value !== null && typeof (value as Walked).type === "string";
}

function changesOf(node: Walked, parent: Walked | undefined, source: string): Mutant[] {
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression":
      return operatorOf(node, source);
    case "UpdateExpression":
      return swapped(node, node["operator"] as string, source);
    case "UnaryExpression":
      return node["operator"] === "!"
        ? [{ start: node.start, end: node.start + 1, text: "", what: "! left out" }]
        : [];
    case "Literal":
      return literalOf(node, parent);
    case "IfStatement":
    case "ConditionalExpression":
    case "WhileStatement": {
      const test = node["test"] as Walked;
      const text = source.slice(test.start, test.end);
      return [{ start: test.start, end: test.end, text: `!(${text})`, what: "condition turned round" }];
    }
    case "ExpressionStatement":
      return statementOf(node, parent);
    case "ReturnStatement":
      return node["argument"] === null
        ? [{ start: node.start, end: node.end, text: ";", what: "return left out" }]
        : [];
    case "MemberExpression":
      return methodOf(node);
    default:
      return [];
  }
}

/** The operator stands between its two sides, perhaps with a comment. */
function operatorOf(node: Walked, source: string): Mutant[] {
  const operator = node["operator"] as string;
  const [left, right] = [node["left"] as Walked, node["right"] as Walked];
  if (operator === "??") return [{ start: left.end, end: node.end, text: "", what: "?? left out" }];
  const to = SWAPPED[operator];
  const at = source.indexOf(operator, left.end);
  if (to === undefined || at < 0 || at >= right.start) return [];
  return [{ start: at, end: at + operator.length, text: to, what: `${operator} to ${to}` }];
}

function swapped(node: Walked, operator: string, source: string): Mutant[] {
  const to = SWAPPED[operator]!;
  const at = source.indexOf(operator, node.start);
  return [{ start: at, end: at + operator.length, text: to, what: `${operator} to ${to}` }];
}

function literalOf(node: Walked, parent: Walked | undefined): Mutant[] {
  const { value } = node as unknown as { value: unknown };
  const { start, end } = node;
  if (typeof value === "boolean") {
    return [{ start, end, text: String(!value), what: `${value} to ${!value}` }];
  }
  if (typeof value !== "number" || parent?.type === "Property" && parent["key"] === node) return [];
  const text = String(value === 0 ? 1 : value > 64 ? value * 2 : value + 1);
  return [{ start, end, text, what: `${value} to ${text}` }];
}

function statementOf(node: Walked, parent: Walked | undefined): Mutant[] {
  const { type } = node["expression"] as Walked;
  const acts = [
    "CallExpression",
    "AwaitExpression",
    "AssignmentExpression",
    "UpdateExpression",
    "ChainExpression",
  ];
  if (!acts.includes(type) || parent?.type === "Program") return [];
  return [{ start: node.start, end: node.end, text: ";", what: "statement left out" }];
}

function methodOf(node: Walked): Mutant[] {
  const property = node["property"] as Walked & { readonly name?: string };
  const to = node["computed"] === true ? undefined : SWAPPED_METHODS[property.name ?? ""];
  if (to === undefined) return [];
  return [{ start: property.start, end: property.end, text: to, what: `${property.name} to ${to}` }];
}
