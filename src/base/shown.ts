/**
 * Owns how counts and times of day are written for a person, in a terminal and on a page alike.
 * Must not know what is counted, nor when what was.
 */
import { dateOf } from "./clock.ts";

/** A count with thousands apart: `100,000`. */
export function count(number: number): string {
  return number < 1000 ? String(number) : number.toLocaleString("en");
}

/** `1 task`, `2,000 tasks`. */
export function counted(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** The time of day, local: `13:02:11.123`. @param at Milliseconds since the epoch. */
export function timeOfDay(at: number): string {
  const date = dateOf(at);
  const digits = (number: number, most = 2) => String(number).padStart(most, "0");
  return `${digits(date.getHours())}:${digits(date.getMinutes())}:${digits(date.getSeconds())}.${
    digits(date.getMilliseconds(), 3)
  }`;
}
