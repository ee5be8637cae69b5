// Stands in the bundle for a module that is never used there: see build.ts.
module.exports = {};
