/**
 * Owns the line of a process that runs tasks to its executor on Deno, which writes to no descriptor that it has not opened
 * itself: the C library does.
 * Must not know what is said.
 * Invariant: what tasks start does not get the line.
 */
import { LINE, type LineListener, type OpenLine, openLine } from "../line.ts";

const FD_CLOEXEC = 1, F_GETFD = 1, F_SETFD = 2, POLLOUT = 4, WRONG = 8 | 16 | 32;

/** Hears the line, and writes by the C library. @throws {Error} If there is none. */
export function openDenoLine(listener: LineListener): OpenLine {
  const libc = library();
  if (libc === undefined) {
    throw new Error("A process can't run tasks on Deno where libc.so.6 can't be called");
  }
  libc.fcntl(LINE, F_SETFD, FD_CLOEXEC);
  openLine(listener);
  const poll = new Int32Array(2);
  return {
    write(descriptor, bytes) {
      for (let at = 0; at < bytes.length;) {
        const written = Number(libc.write(descriptor, bytes.subarray(at), BigInt(bytes.length - at)));
        if (written > 0) {
          at += written;
          continue;
        }
        poll[0] = descriptor;
        poll[1] = POLLOUT;
        libc.poll(poll, 1n, 1_000);
        if (((poll[1]! >> 16) & WRONG) !== 0) {
          throw new Error(`Descriptor ${descriptor} can't be written to`);
        }
      }
    },
    // Only native code can close one there: whether it is open has to do.
    fileOf: (descriptor) => libc.fcntl(descriptor, F_GETFD, 0) < 0 ? undefined : "open",
    closesByFs: false,
  };
}

function library() {
  try {
    return Deno.dlopen("libc.so.6", {
      write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
      fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
      poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
    }).symbols;
  } catch {
    return undefined;
  }
}
