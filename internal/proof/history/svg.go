package history

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"unicode/utf8"
)

// Sizes of a drawing, in pixels.
const (
	svgWidth   = 1100
	svgMargin  = 24
	svgTitle   = 52   // height of an anomaly's title
	svgLine    = 15   // height of a line of text
	svgChar    = 6.3  // average width of a character
	svgLabel   = 90.0 // room for an edge's label
	svgMostBox = 340
	mostChars  = 53 // that fit into the widest box
)

// box is a transaction in a drawing, around its middle.
type box struct {
	x, y, width, height float64
	lines               []string
}

// WriteSVG draws the anomalies, one below the other: the transactions of each on a circle, in the order of its cycle, clockwise, and
// each edge with its label.
func (r *Report) WriteSVG(w io.Writer) error {
	var drawings [][]box
	height := float64(svgMargin)
	for i := range r.Anomalies {
		boxes, room := layOut(&r.Anomalies[i], height+svgTitle)
		drawings = append(drawings, boxes)
		height += svgTitle + room + svgMargin
	}
	if len(drawings) == 0 {
		height += svgTitle
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f" font-family="sans-serif" font-size="12">`+"\n",
		svgWidth, height, svgWidth, height)
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n")
	drawMarkers(b)
	if len(drawings) == 0 {
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="16">%s</text>`+"\n", svgMargin, svgMargin+20, html.EscapeString(r.Verdict()))
	}
	top := float64(svgMargin)
	for i, boxes := range drawings {
		a := &r.Anomalies[i]
		fmt.Fprintf(b, `<text x="%d" y="%.0f" font-size="16" font-weight="bold">%d. %s</text>`+"\n", svgMargin, top+18, i+1, html.EscapeString(string(a.Kind)))
		fmt.Fprintf(b, `<text x="%d" y="%.0f">%s</text>`+"\n", svgMargin, top+38, html.EscapeString(a.What))
		for j, e := range a.Edges {
			drawEdge(b, boxes[j], boxes[(j+1)%len(boxes)], e)
		}
		for _, x := range boxes {
			drawBox(b, x)
		}
		_, room := layOut(a, 0)
		top += svgTitle + room + svgMargin
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// layOut places the transactions of an anomaly, from a height on, and says how much room they take.
func layOut(a *Anomaly, top float64) (boxes []box, room float64) {
	n := len(a.Nodes)
	if n == 0 {
		return nil, 0
	}
	widest, highest := 0.0, 0.0
	for i := range a.Nodes {
		x := newBox(i, &a.Nodes[i])
		boxes = append(boxes, x)
		widest, highest = max(widest, x.width), max(highest, x.height)
	}
	radiusX := svgWidth/2 - svgMargin - svgMostBox/2
	radiusY := 0.0
	if n == 2 {
		radiusX = svgWidth / 4
		highest += 40 // for the two curves between them
	}
	if n > 2 {
		radiusY = math.Max(float64(n)*(highest+svgLabel)/4, highest+svgLabel/2)
	}
	if n == 1 {
		radiusX = 0
	}
	room = 2*radiusY + highest
	for i := range boxes {
		angle := 2*math.Pi*float64(i)/float64(n) + math.Pi // the first on the left
		boxes[i].x = svgWidth/2 + float64(radiusX)*math.Cos(angle)
		boxes[i].y = top + room/2 + radiusY*math.Sin(angle)
	}
	return boxes, room
}

func newBox(i int, n *Node) box {
	x := box{lines: append([]string{nodeName(i) + "  " + n.header()}, n.Ops...)}
	for j, line := range x.lines {
		most := mostChars
		if utf8.RuneCountInString(line) > most {
			x.lines[j] = string([]rune(line)[:most-1]) + "…"
		}
		x.width = max(x.width, svgChar*float64(utf8.RuneCountInString(x.lines[j]))+16)
	}
	x.height = svgLine*float64(len(x.lines)) + 12
	return x
}

func drawBox(b *bufio.Writer, x box) {
	left, top := x.x-x.width/2, x.y-x.height/2
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="4" fill="#f6f7f9" stroke="#3c4043"/>`+"\n", left, top, x.width, x.height)
	for i, line := range x.lines {
		weight := "normal"
		if i == 0 {
			weight = "bold"
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="11" font-weight="%s">%s</text>`+"\n",
			left+8, top+16+svgLine*float64(i), weight, html.EscapeString(line))
	}
}

func drawMarkers(b *bufio.Writer) {
	fmt.Fprintln(b, "<defs>")
	for kind, color := range edgeColors {
		fmt.Fprintf(b, `<marker id="arrow%d" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">`+
			`<path d="M0 0L10 5L0 10z" fill="%s"/></marker>`+"\n", kind, color)
	}
	fmt.Fprintln(b, "</defs>")
}

// drawEdge draws an arrow, bent to its left, so that the two of a cycle of two lie apart.
func drawEdge(b *bufio.Writer, from, to box, e Edge) {
	dx, dy := to.x-from.x, to.y-from.y
	length := math.Hypot(dx, dy)
	bend := math.Min(70, length/5)
	cx, cy := (from.x+to.x)/2+dy/length*bend, (from.y+to.y)/2-dx/length*bend
	x1, y1 := from.border(cx, cy)
	x2, y2 := to.border(cx, cy)
	color, dash := edgeColors[e.Kind], ""
	if e.Kind >= RWTime {
		dash = ` stroke-dasharray="6 4"`
	}
	fmt.Fprintf(b, `<path d="M%.1f %.1fQ%.1f %.1f %.1f %.1f" fill="none" stroke="%s" stroke-width="1.6"%s marker-end="url(#arrow%d)"/>`+"\n",
		x1, y1, cx, cy, x2, y2, color, dash, e.Kind)
	lx, ly := (x1+2*cx+x2)/4, (y1+2*cy+y2)/4
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="%s" stroke="#ffffff" stroke-width="4" paint-order="stroke" font-weight="bold">%s</text>`+"\n",
		lx, ly+4, color, html.EscapeString(e.label()))
}

// border is where the line from the middle of the box to a point leaves the box.
func (x box) border(px, py float64) (float64, float64) {
	dx, dy := px-x.x, py-x.y
	scale := 1.0
	if dx != 0 {
		scale = math.Min(scale, x.width/2/math.Abs(dx))
	}
	if dy != 0 {
		scale = math.Min(scale, x.height/2/math.Abs(dy))
	}
	return x.x + dx*scale, x.y + dy*scale
}
