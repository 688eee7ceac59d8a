package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The plots are SVG with a white ground, so that they are readable in any theme.
const (
	plotWidth  = 760
	plotMargin = 20
	barHeight  = 22
)

var plotColours = []string{"#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f"}

type plot struct {
	strings.Builder
	y float64
}

func (p *plot) text(x, y float64, anchor, size, text string) {
	fmt.Fprintf(p, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%s">%s</text>`+"\n", x, y, anchor, size, html.EscapeString(text))
}

func (p *plot) rectangle(x, y, width, height float64, colour, title string) {
	fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>`+"\n",
		x, y, width, height, colour, html.EscapeString(title))
}

func (p *plot) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

// svg returns the document.
func (p *plot) svg() string {
	height := p.y + plotMargin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" font-family="sans-serif" fill="#222">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", plotWidth, height, p.String())
}

// bars draws a bar for each candidate, with a whisker from the least to the most.
func (p *plot) bars(title, unit string, all []Candidate, figure func(Round) float64) {
	const left, right = 200, 90
	p.y += 2 * plotMargin
	p.text(plotMargin, p.y, "start", "14", title)
	most := 0.0
	for _, c := range all {
		most = max(most, c.spread(figure).most)
	}
	scale := (plotWidth - left - right) / max(most, 1)
	for i, c := range all {
		s := c.spread(figure)
		y := p.y + 8 + float64(i)*(barHeight+6)
		p.text(left-8, y+barHeight*0.7, "end", "12", c.Revision)
		p.rectangle(left, y, s.median*scale, barHeight, plotColours[i%len(plotColours)], fmt.Sprintf("%.0f to %.0f %s", s.least, s.most, unit))
		p.line(left+s.least*scale, y+barHeight/2, left+s.most*scale, y+barHeight/2, "#222")
		p.text(left+s.most*scale+6, y+barHeight*0.7, "start", "12", fmt.Sprintf("%.0f %s", s.median, unit))
	}
	p.y += 8 + float64(len(all))*(barHeight+6)
}

// parts draws the CPU of an order as a row of its parts, for each candidate.
func (p *plot) parts(all []Candidate) {
	const left, right = 200, 20
	p.y += 2 * plotMargin
	p.text(plotMargin, p.y, "start", "14", "CPU for an order by process (median)")
	most := 0.0
	for _, c := range all {
		sum := 0.0
		for _, name := range names(c.Rounds[0].Parts) {
			sum += c.spread(func(r Round) float64 { return r.Parts[name] }).median
		}
		most = max(most, sum)
	}
	for i, c := range all {
		x, y := float64(left), p.y+8+float64(i)*(barHeight+20)
		p.text(left-8, y+barHeight*0.7, "end", "12", c.Revision)
		for j, name := range names(c.Rounds[0].Parts) {
			value := c.spread(func(r Round) float64 { return r.Parts[name] }).median
			width := value * (plotWidth - left - right) / most
			p.rectangle(x, y, width, barHeight, plotColours[j%len(plotColours)], fmt.Sprintf("%s: %.0f us", name, value))
			if width > 50 {
				p.text(x+2, y+barHeight+12, "start", "10", fmt.Sprintf("%s %.0f", name, value))
			}
			x += width
		}
	}
	p.y += 8 + float64(len(all))*(barHeight+20)
}

func (r *Result) plotRounds() string {
	p := &plot{}
	p.y = plotMargin
	p.text(plotMargin, p.y, "start", "12", fmt.Sprintf("%s; %d cores, load included; %s", r.Shape, r.Cores, r.At.Format("2006-01-02")))
	p.bars("Orders per second, until they are paid", "/s", r.Candidates, func(r Round) float64 { return r.Completed })
	p.bars("CPU for an order", "us", r.Candidates, func(r Round) float64 { return r.CPU })
	p.parts(r.Candidates)
	if r.Candidates[0].spread(func(r Round) float64 { return r.half().Rate }).most > 0 {
		p.bars("Time to accept an order at half load, p99", "ms", r.Candidates, func(r Round) float64 { return r.half().Accept.P99 })
		p.bars("Time from accepted to paid at half load, p99", "ms", r.Candidates, func(r Round) float64 { return r.half().ToPaid.P99 })
	}
	return p.svg()
}

func (r *Result) plotGrowth() string {
	p := &plot{}
	p.y = plotMargin
	p.text(plotMargin, p.y, "start", "12", fmt.Sprintf("%s; %d cores, load included; %s", r.Shape, r.Cores, r.At.Format("2006-01-02")))
	p.curve("CPU for an order (us) by the orders in the databases", r.Candidates, func(p Point) float64 { return p.CPU })
	p.curve("Start (ms)", r.Candidates, func(p Point) float64 { return p.Start })
	p.curve("GET /orders, p99 (ms)", r.Candidates, func(p Point) float64 { return p.Reads["GET /orders"].P99 })
	return p.svg()
}

// curve draws a figure over the number of orders, which is on a logarithmic axis.
func (p *plot) curve(title string, all []Candidate, figure func(Point) float64) {
	const left, height = 60, 140
	p.y += 2 * plotMargin
	p.text(plotMargin, p.y, "start", "14", title)
	top, bottom := p.y+plotMargin, p.y+plotMargin+height
	points := all[0].Growth
	first, last := math.Log10(float64(points[0].Orders)), math.Log10(float64(points[len(points)-1].Orders))
	most := 0.0
	for _, c := range all {
		for _, point := range c.Growth {
			most = max(most, figure(point))
		}
	}
	x := func(point Point) float64 {
		return left + (math.Log10(float64(point.Orders))-first)/max(last-first, 0.01)*(plotWidth-left-100)
	}
	y := func(point Point) float64 { return bottom - figure(point)/max(most, 0.01)*(bottom-top) }
	p.line(left, bottom, plotWidth-40, bottom, "#888")
	for _, point := range points {
		p.text(x(point), bottom+14, "middle", "10", fmt.Sprint(point.Orders))
	}
	for i, c := range all {
		p.path(c.Growth, x, y, figure, plotColours[i%len(plotColours)])
	}
	p.y = bottom + plotMargin
}

// path draws the points of one candidate, joined by lines.
func (p *plot) path(points []Point, x, y, figure func(Point) float64, colour string) {
	for i, point := range points {
		p.rectangle(x(point)-3, y(point)-3, 6, 6, colour, "")
		p.text(x(point), y(point)-7, "middle", "10", fmt.Sprintf("%.3g", figure(point)))
		if i > 0 {
			p.line(x(points[i-1]), y(points[i-1]), x(point), y(point), colour)
		}
	}
}
