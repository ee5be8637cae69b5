/**
 * Owns how counts, spans of time and times are written for a person, in a terminal and on a page alike.
 * Must not know what is counted, nor when what was.
 * Invariant: a span looks the same wherever it is shown; a time is local where a person reads it, and has its offset with
 * its date.
 */
import { dateOf } from "./clock.ts";

/** A count with thousands apart: `100,000`. */
export function count(number: number): string {
  // Not by the locale's rules, which take longer to load than a small run.
  return String(number).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `1 task`, `2,000 tasks`. */
export function counted(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** The time of day, local: `13:02:11.123`. @param at Milliseconds since the epoch. */
export function timeOfDay(at: number): string {
  const date = dateOf(at);
  return `${clockTime(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function clockTime(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Date, time and offset, local: `2026-11-27 13:02:11 +01:00`. @param at Milliseconds since the epoch. */
export function localTime(at: number): string {
  const date = dateOf(at);
  const ahead = -date.getTimezoneOffset();
  const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
  const day = `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${
    two(date.getDate())
  }`;
  return `${day} ${clockTime(date)} ${ahead < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
}

/** The local time of a stamp that is told as text (ISO 8601); what is none stays as it is. */
export function localTimeOf(stamp: string): string {
  const at = Date.parse(stamp);
  return Number.isNaN(at) ? stamp : localTime(at);
}

/**
 * A span of time: `35 ms`, `1.2 s`, `2 min 05 s`, `3 h 07 min`. It is taken in whole milliseconds, so that it is the same
 * whether who told it has rounded it to those or not.
 */
export function span(ms: number): string {
  const whole = wholeMs(ms);
  if (whole < 1_000) return `${whole} ms`;
  if (whole < 59_950) return inTenths(whole);
  const seconds = Math.round(whole / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours === 0 ? `${minutes} min ${two(seconds % 60)} s` : `${hours} h ${two(minutes)} min`;
}

/** How long a run took; of one that went on, first what was since then, which is what a person waited for. */
export function tookText(wholeMs: number, sinceResumeMs: number | undefined): string {
  return sinceResumeMs === undefined
    ? span(wholeMs)
    : `${span(sinceResumeMs)} since it went on, ${span(wholeMs)} in all`;
}

/** A span that is still growing: `0.3 s`, without a flicker of milliseconds. */
export function growing(ms: number): string {
  const whole = wholeMs(ms);
  return whole < 1_000 ? inTenths(whole) : span(whole);
}

function wholeMs(ms: number): number {
  return Math.max(0, Math.round(ms)) || 0;
}

function inTenths(whole: number): string {
  const tenths = Math.round(whole / 100);
  return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
