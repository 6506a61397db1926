// tests/e2e/formats_viewer.js - a DHAT file through valgrind's own viewer, as far as it goes without a browser.
//
// usage: formats_viewer.js DH_VIEW.JS FILE     builds its tree and prints: blocks, bytes, bytes at the peak and at the end
const fs = require('fs'), vm = require('vm');

const context = { window: {}, document: {}, Intl, data: JSON.parse(fs.readFileSync(process.argv[3], 'utf8')) };
vm.createContext(context);
vm.runInContext(fs.readFileSync(process.argv[2], 'utf8') + `
gSelect = { childNodes: gSelectData.map(() => ({})), selectedIndex: 0 };
gData = this.data;
buildTree();
this.result = [gRoot._totalBlocks, gRoot._totalBytes, gRoot._atTGmaxBytes, gRoot._atTEndBytes];`, context);
console.log(context.result.join(' '));
