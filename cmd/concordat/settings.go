package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/concordat-dev/concordat/internal/cli"
)

// configured is a command with settings that a file can have: flags of the same names. The command line goes before the environment, and
// that before the file.
type configured interface {
	// configure reads the file. It returns errPrinted if the settings are all that is asked for.
	configure(p *program) error
}

// configPrinting is the flag of those commands that writes what came of all three.
type configPrinting struct {
	PrintConfig bool `help:"Write the settings as such a file, and end."`
}

// errPrinted ends a command that was to print its settings.
var errPrinted = errors.New("the settings were printed")

// finish reads a file into settings, a pointer to a struct; "" is none. It prints them if that is asked for.
func (c configPrinting) finish(p *program, path string, settings any) error {
	if path != "" {
		if err := readSettings(path, settings, p.given); err != nil {
			return fmt.Errorf("%w: config: %w", cli.ErrInput, err)
		}
	}
	if !c.PrintConfig {
		return nil
	}
	all := map[string]any{}
	eachSetting(settings, func(name, _ string, value reflect.Value) { all[name] = value.Interface() })
	return cmp.Or(writeJSON(p.stdout, all), errPrinted)
}

// eachSetting visits settings with the names of their flags and of their variables in the environment.
func eachSetting(settings any, visit func(name, env string, value reflect.Value)) {
	v := reflect.ValueOf(settings).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		visit(cmp.Or(f.Tag.Get("name"), strings.ToLower(f.Name)), f.Tag.Get("env"), v.Field(i))
	}
}

// readSettings reads a file of settings: those that neither the command line nor the environment has.
func readSettings(path string, settings any, given map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	eachSetting(settings, func(name, env string, value reflect.Value) {
		raw, there := file[name]
		delete(file, name)
		target := reflect.New(value.Type())
		if !there || bytes.Equal(raw, []byte("null")) {
			return
		}
		if err := unmarshal(raw, target.Interface()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, name, err))
			return
		}
		if !given[name] && os.Getenv(env) == "" {
			value.Set(target.Elem())
		}
	})
	for name := range file {
		errs = append(errs, fmt.Errorf("%s: there is no setting %.100q", path, name))
	}
	return errors.Join(errs...)
}

// unmarshal reads a setting. A field that there is not is an error.
func unmarshal(raw []byte, value any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(value)
}
