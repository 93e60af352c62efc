// Command protogen writes the Go code of proto/concordat/v1/concordat.proto. Run it from the module's directory:
//
//	go run ./internal/protogen
//
// It compiles the schema itself and asks the plugins that go.mod pins, so it needs nothing that is not in the module. With -check it
// writes nothing, and fails if a file is not as it would write it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// root is where schemas are, and where their code goes.
const root = "proto"

// source is the schema, within root.
const source = "concordat/v1/concordat.proto"

// plugins are the generators, as go tool knows them, with their parameters.
var plugins = [][2]string{{"protoc-gen-go", "paths=source_relative"}, {"protoc-gen-connect-go", "paths=source_relative"}}

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if a file is not as it would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	request, err := compile()
	if err != nil {
		return err
	}
	for _, plugin := range plugins {
		response, err := generate(plugin[0], plugin[1], request)
		if err != nil {
			return fmt.Errorf("%s: %w", plugin[0], err)
		}
		for _, file := range response.File {
			if err := put(filepath.Join(root, file.GetName()), []byte(file.GetContent()), check); err != nil {
				return err
			}
		}
	}
	return nil
}

// compile makes the request that a plugin gets: the schema, after all that it imports.
func compile() (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{source}}
	seen := map[string]bool{}
	var add func(file linker.File)
	add = func(file linker.File) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.FindImportByPath(file.Imports().Get(i).Path()))
		}
		request.ProtoFile = append(request.ProtoFile, descriptor(file))
	}
	add(files[0])
	return request, nil
}

func descriptor(file linker.File) *descriptorpb.FileDescriptorProto {
	if result, ok := file.(linker.Result); ok {
		return result.FileDescriptorProto() // with its comments
	}
	return protodesc.ToFileDescriptorProto(file)
}

// generate runs a plugin.
func generate(plugin, parameter string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	request.Parameter = &parameter
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	command := exec.Command("go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(in), os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, fmt.Errorf("%s", response.GetError())
	}
	return response, nil
}

// put writes a file, or compares it with what is there.
func put(path string, content []byte, check bool) error {
	if check {
		there, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(there, content) {
			return fmt.Errorf("%s is not what the schema makes: run go run ./internal/protogen", path)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
