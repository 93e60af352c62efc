// Package console has the files of the console: a page that shows what goes on in an engine, for people. Package server serves it.
//
// The files in dist are built from those in src, with the tools that package-lock.json pins: make console. They are committed, so that Go
// alone builds a program that has them. docs/console.md describes the page.
package console

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed dist
var dist embed.FS

// Asset is a file of the console.
type Asset struct {
	Type    string // its media type
	Content []byte
}

// types are the media types of the files, by the end of their names: what the system knows of them may be wrong.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// File returns a file by its name, such as "app.js"; "" is the page. It reports false if there is none.
func File(name string) (a Asset, there bool) {
	if name == "" {
		name = "index.html"
	}
	if !fs.ValidPath(name) {
		return a, false
	}
	content, err := fs.ReadFile(dist, path.Join("dist", name))
	if err != nil {
		return a, false
	}
	return Asset{types[path.Ext(name)], content}, true
}
