/**
 * Owns `{item}` and `{index}` in the arguments of a program that is run for each item of a list.
 * Must not know where items come from, nor how a program is started.
 * Invariant: an item becomes part of one argument, never more of them, nor code of a shell that is seen to be one.
 */
import type { Problem } from "../../model/problem.ts";

/** What stands in an argument for something else; doubled braces stand for the single ones. */
const PLACES = /\{\{(?:item|index)\}\}|\{item\}|\{index\}/g;

/** Longest item that becomes part of an argument, UTF-16 code units: no system takes a much longer one. */
const MAX_LENGTH = 32_768;

const SHELL = /(?:^|\/)(?:a|ba|c|da|fi|k|mk|rba|tc|ya|z)?sh$/;

/** Options of a shell that have a word after them, such as `-euo pipefail`. */
const WITH_WORD = /^(?:[-+][a-z]*o|--(?:rcfile|init-file))$/i;

/**
 * A program and its arguments, for one item.
 *
 * @throws {Error} If the item can be no part of an argument.
 */
export function withItem(
  command: readonly string[],
  { item, index }: { readonly item: unknown; readonly index: number },
): readonly string[] {
  return command.map((argument) =>
    argument.replace(PLACES, (place) => {
      if (place.startsWith("{{")) return place.slice(1, -1);
      return place === "{index}" ? String(index) : textOf(item, index);
    })
  );
}

/** What is wrong with the command of a task that is run for each item. @param command As written. */
export function itemProblems(command: unknown): Problem[] {
  if (!Array.isArray(command)) return [];
  return command.flatMap((argument: unknown, at) => {
    if (typeof argument !== "string" || !has(argument)) return [];
    const place = `command[${at}]`;
    if (at === 0) return [{ place, message: "An item can't be the program: name the one that is to be run" }];
    if (!isCode(command, at)) return [];
    const message =
      'The shell would run what is in the item: write "$1" instead, and add two arguments, "sh" and "{item}"';
    return [{ place, message }];
  });
}

function has(argument: string): boolean {
  return argument.match(PLACES)?.includes("{item}") === true;
}

/** Whether an argument is code: what a shell, perhaps started by another program, is given with `-c`. */
function isCode(command: readonly unknown[], at: number): boolean {
  const before = command.slice(0, at).map(String);
  let shell = lastWord(before);
  while (shell > 0 && !SHELL.test(before[shell]!) && WITH_WORD.test(before[shell - 1]!)) {
    shell = lastWord(before.slice(0, shell));
  }
  return SHELL.test(before[shell] ?? "") && before.slice(shell + 1).some((each) => /^-[a-z]*c/i.test(each));
}

/** Where the last one is that is no option. */
function lastWord(command: readonly string[]): number {
  return command.findLastIndex((each) => !/^[-+]/.test(each));
}

function textOf(item: unknown, index: number): string {
  const text = typeof item === "number" ? String(item) : item;
  const wrong = typeof text !== "string"
    ? `is ${kindOf(item)}, and an argument is a text: map over texts or numbers, or read OUTRIDER_ITEM`
    : text.length > MAX_LENGTH
    ? `has ${text.length} characters, more than the ${MAX_LENGTH} of an argument: read OUTRIDER_INPUTS`
    : text.includes("\0")
    ? "has a NUL character, which no argument can hold: read OUTRIDER_ITEM"
    : undefined;
  if (wrong !== undefined) throw new Error(`Item ${index} can't stand for {item}: it ${wrong}`);
  return text as string;
}

function kindOf(item: unknown): string {
  if (typeof item === "boolean" || item === null) return String(item);
  return Array.isArray(item) ? "a list" : item instanceof Uint8Array ? "bytes" : "an object";
}
