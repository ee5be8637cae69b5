/**
 * Owns the public keys by which Debian signs the releases that packages are taken from.
 * Must not know what is signed.
 * Invariant: each is the key that its fingerprint says.
 */
import { fromBase64 } from "../../base/base64.ts";
import type { SigningKey } from "./openpgp.ts";

/** The release of Debian that packages are taken from: its name in a mirror. */
export const SUITE = "trixie";

/** By fingerprint (SHA-1 of version 4): what signs Debian 13 and its security updates, as `debian-archive-keyring` brings it. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  "B8E5F13176D2A7A75220028078DBA3BC47EF2265": [
    "BGfpPhUBEACygnWLGoIlLzcdlGoqPilLsgSQb/PN4pw+o3UJMfmWNtHulhVm/bpQr+ut/4POrp19kxaYU0tB5vcPPAz5PpG0",
    "0kw47c42XO0WAngq+Z8c/X7pDu0prGiTXHnWf0rINHXn403SN7EISGClSiTiU7l8jOhClUy3ZbVNMYFGzVa5VfBSzp8i7QBc",
    "AH3YS+FdE1vQQI3vZ13T25s3nghT6AHCmTnSRdHjdEoKY8/FpTTlLc+x3Q3i5qqUYwwj9rOd2FtyZ+pudOIW/CQX0+PGeNTG",
    "kVkuDiCA8B4vzZ8nJyMnoQ8AeDLsb9PVkzPCL9NwtB0Wrat5mcAq00oQGD3J8OKNtRHux76fIA/M1VemjxKbC79knGfCYaOt",
    "yNC7NasjcKnOJLuy5DlNnnXkXpmQCO6f2mWetsq7qUAZaW02u7sQ4QLs+zK+cwz5Fcni5Lo0FRfsWdIVGYJjtxZZY0Lh7qRz",
    "YESv/KIhxnq8Iim+/rtWfHrPcq9hjykFQ3vtZKFfIhhDJMg6cNh+ev+JrHb+2RcEnogtYxyHmh9Eb0iSvYN7Uxi8hc/wdmn6",
    "+l/J/vSrjXrNz8f9mUt48MjLpkssMPVHfM2mPaLoqBINP7zS3uVLZ5maYUaRJDTkg72es9DFg9t3DxVSCwsPTet8MDRPDEFV",
    "7q2cDXTqHoV0JzrbFcWBQwARAQAB",
  ],
  "89C87ACEA5DD6B8E6A7068808E9F831205B4BA95": [
    "BGfpPl0BEAChBbWGxo5+KUAHyz3DSblZpFjzv71W1DNuceRhNfUOUsu3lZKeI1dd3jchp367fmaC5+2rsg5AiZzuGwmhmFtg",
    "o1fB2ImCPGXuafexKMrJzpLIJm0YxZnNzWauEWmZGTui4UjZ6DjB+c0UvapShIoRxBCgXckTO+w4RgcE5/aakAPh6PD4GyJH",
    "X8zAUZW21ZmS9NdNj3K4/8uBcICI0mRhwvXBFz5PmBOPY9n5hI5iKC8cKR8F0CG1JRhtNsThx0S09fT+dQAnGPEo2PTwTcxj",
    "i5OGHcWYfM4qMnfuEAjOGMCYh6GkKDzWMhc2kropnA0P3464dK2sZ4peVOp2nx0m4GucqdtohZ0Ud9dJOchrjaS4Ob97s4bS",
    "ti+cd0vboPxnZqi4i8GS2jvFBv8dkKbvn9Q4TNJdx/r2GBlBxgHfZZq2P77uGZn1JjAzKGpNpW4KUG3p7LOsxGDUP1kjKbNr",
    "yq35m/BTXIhDNizwfdClwVmKktFdApTpcHPlk/tIu3c1fOfmXZtkWv8oDJOXD0si2rabrfodCU7fRTOLRLc8pH83S/HSlAr4",
    "Fe6aAQMzzddUpG5uNDBgFi0tBXB/Vvplz0P3t1YfdTTrnnWU2esYqIi/BMu8iu/yTe0eT8PFNwJLi9s26RSntD5blAlRlvTh",
    "0lsq8ZOQbzNrZ4XbISgmzwARAQAB",
  ],
};

/** All of them. */
export const DEBIAN_KEYS: readonly SigningKey[] = Object.values(KEYS).map((lines) =>
  fromBase64(lines.join(""))
);
