/**
 * Owns the gateway's page as the gateway serves it.
 * Must not know what the page shows.
 */
import { type PageDocument, servedPage } from "../document.ts";
import { pageHashes, pageHtml } from "./code.ts";

/** The page that the gateway serves at `/`. */
export const gatewayPage: PageDocument = servedPage(pageHtml, pageHashes);
