/**
 * Owns how the SVG looks, on light and dark pages.
 * Must not know what is drawn.
 * Invariant: text has a contrast of at least 4.5 to 1 on what is behind it.
 */

/** Style sheet of the SVG. */
export const SVG_STYLE: string = `
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;text-anchor:middle;fill:#1f2933}
.page{fill:#fff}
.task rect{fill:#eef4fb;stroke:#3d6ea8;stroke-width:1.2}
.sync rect{fill:#fff;stroke:#66727f;stroke-width:1.2;stroke-dasharray:4 3}
.note,.label{font-size:11px}
.note{fill:#52606d}
.pill{fill:#fff}
.edge{fill:none;stroke:#7b8794;stroke-width:1.3}
.edge.failure{stroke:#c0392b}.label.failure{fill:#a93226}
.edge.any{stroke:#9a6700}.label.any{fill:#855a00}
.edge.loop{stroke:#6b4fbb;stroke-dasharray:5 4}.label.loop{fill:#5b3fa8}
.arrow.success{fill:#7b8794}.arrow.failure{fill:#c0392b}.arrow.any{fill:#9a6700}.arrow.loop{fill:#6b4fbb}
@media (prefers-color-scheme:dark){
text{fill:#e4e7eb}
.page,.pill{fill:#14181d}
.task rect{fill:#1b2a3b;stroke:#6fa3dc}
.sync rect{fill:#14181d;stroke:#9aa5b1}
.note{fill:#b8c2cc}
.edge{stroke:#8692a0}.arrow.success{fill:#8692a0}
.edge.failure{stroke:#f1786b}.label.failure,.arrow.failure{fill:#f1786b}
.edge.any{stroke:#e0a93b}.label.any,.arrow.any{fill:#e0a93b}
.edge.loop{stroke:#b39df3}.label.loop,.arrow.loop{fill:#b39df3}
}
`;
