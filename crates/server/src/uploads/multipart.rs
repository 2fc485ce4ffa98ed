//! The file in a multipart form, found while the form comes in: the bytes of the first part that has a file
//! name. All other parts are passed over. Holds no more than a chunk and a part's headers.
//!
//! Source: longjob-semantics.md g.5; RFC 7578 and RFC 2046 5.1.

use memchr::memmem::{self, Finder};

use super::body::Broken;

/// Longest headers of a part, in bytes.
const HEADERS_MAX_BYTES: usize = 8 << 10;
/// Longest boundary, in bytes (RFC 2046).
const BOUNDARY_MAX_BYTES: usize = 70;
/// What may stand between a boundary and the end of its line, in bytes.
const PADDING_MAX_BYTES: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first boundary, or in a part that is passed over.
    Skipped,
    /// Behind a boundary, before the end of its line.
    Boundary,
    /// Among the headers of a part.
    Headers,
    /// In the file.
    File,
    /// Behind the last boundary.
    End,
}

/// A form that is coming in.
#[derive(Debug)]
pub struct Form {
    delimiter: Finder<'static>,
    held: Vec<u8>,
    at: At,
    found: bool,
    whole: bool,
}

impl Form {
    /// From the request's content type; `None` if that is no form with a boundary.
    pub fn new(content_type: &str) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
        })?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_MAX_BYTES {
            return None;
        }
        let delimiter = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        // The first boundary may be at the very beginning, without the line break that belongs to the others.
        Some(Self { delimiter, held: b"\r\n".to_vec(), at: At::Skipped, found: false, whole: false })
    }

    /// Takes the next bytes of the form and gives those of the file to `file`, in order.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        file: &mut dyn FnMut(&[u8]) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let bytes = self.pass(bytes, file)?;
        self.held.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            let left = &self.held[done..];
            match self.at {
                At::Skipped | At::File => {
                    let end = self.delimiter.find(left);
                    // What may be the beginning of a boundary waits for what comes next.
                    let keep = self.delimiter.needle().len() - 1;
                    let sure = end.unwrap_or(left.len().saturating_sub(keep));
                    if self.at == At::File && sure > 0 {
                        file(&left[..sure])?;
                    }
                    done += sure;
                    if end.is_none() {
                        break;
                    }
                    done += self.delimiter.needle().len();
                    self.whole |= self.at == At::File;
                    self.at = At::Boundary;
                }
                At::Boundary => {
                    if left.starts_with(b"--") {
                        self.at = At::End;
                    } else if let Some(line) = memmem::find(left, b"\r\n") {
                        // The line break stays: with another one behind it, the part has no headers.
                        done += line;
                        self.at = At::Headers;
                    } else if left.len() > PADDING_MAX_BYTES {
                        return Err(Broken::Form("a boundary of the form is not followed by a line break"));
                    } else {
                        break;
                    }
                }
                At::Headers => match memmem::find(left, b"\r\n\r\n") {
                    Some(end) => {
                        let is_file = !self.found && has_file_name(&left[..end]);
                        self.found |= is_file;
                        done += end + 4;
                        self.at = if is_file { At::File } else { At::Skipped };
                    }
                    None if left.len() > HEADERS_MAX_BYTES => {
                        return Err(Broken::Form("the headers of a part of the form are longer than 8 KiB"));
                    }
                    None => break,
                },
                At::End => {
                    done = self.held.len();
                    break;
                }
            }
        }
        self.held.drain(..done);
        Ok(())
    }

    /// Gives on what is surely of the file, as it lies there; answers the rest of `bytes`, which is only looked at with
    /// what is held.
    fn pass<'a>(
        &mut self,
        bytes: &'a [u8],
        file: &mut dyn FnMut(&[u8]) -> Result<(), Broken>,
    ) -> Result<&'a [u8], Broken> {
        let keep = self.delimiter.needle().len() - 1;
        if self.at != At::File || self.held.len() > keep || bytes.len() <= keep {
            return Ok(bytes);
        }
        // A boundary that begins in what is held ends within so much of what came.
        let held = self.held.len();
        self.held.extend_from_slice(&bytes[..keep]);
        let begins_there = self.delimiter.find(&self.held).is_some_and(|at| at < held);
        self.held.truncate(held);
        if begins_there {
            return Ok(bytes);
        }
        if held > 0 {
            file(&self.held)?;
            self.held.clear();
        }
        let sure = self.delimiter.find(bytes).unwrap_or(bytes.len() - keep);
        if sure > 0 {
            file(&bytes[..sure])?;
        }
        Ok(&bytes[sure..])
    }

    /// Whether all of the file came.
    pub fn end(&self) -> Result<(), &'static str> {
        match (self.found, self.whole) {
            (_, true) => Ok(()),
            (true, false) => Err("the form ended within its file"),
            (false, false) => {
                Err("the form has no part with a file name; send the bytes as curl -F file=@PATH does")
            }
        }
    }
}

fn has_file_name(headers: &[u8]) -> bool {
    let text = String::from_utf8_lossy(headers);
    text.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-disposition:")
            && (line.contains("filename=") || line.contains("filename*="))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=\"--xyz\"";

    fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut form = Vec::new();
        for (disposition, bytes) in parts {
            form.extend_from_slice(
                format!("----xyz\r\nContent-Disposition: {disposition}\r\n\r\n").as_bytes(),
            );
            form.extend_from_slice(bytes);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"----xyz--\r\n");
        form
    }

    fn file_of(form: &[u8], chunk: usize) -> Result<Vec<u8>, String> {
        let mut reading = Form::new(KIND).expect("a form");
        let mut file = Vec::new();
        for part in form.chunks(chunk) {
            reading
                .feed(part, &mut |data| {
                    file.extend_from_slice(data);
                    Ok(())
                })
                .map_err(|e| format!("{e:?}"))?;
        }
        reading.end().map_err(str::to_owned)?;
        Ok(file)
    }

    #[test]
    fn the_first_part_with_a_file_name_is_the_file_however_the_form_is_cut() {
        let bytes = b"\r\n--\r\n----xy\r\n----xyZ bytes\r\n\r\n--";
        let form = form(&[
            ("form-data; name=\"a\"", b"not this"),
            ("form-data; name=\"f\"; filename=\"x.img\"", bytes),
            ("form-data; name=\"g\"; filename=\"y.img\"", b"nor this"),
        ]);
        for chunk in 1..form.len() + 1 {
            assert_eq!(file_of(&form, chunk).as_deref(), Ok(&bytes[..]), "chunks of {chunk}");
        }
    }

    #[test]
    fn a_form_that_ends_early_or_has_no_file_is_told() {
        let whole = form(&[("form-data; filename=x", b"12345")]);
        for len in 0..whole.len() - 7 {
            assert!(file_of(&whole[..len], 4).is_err(), "{len} bytes of {}", whole.len());
        }
        assert!(file_of(&form(&[("form-data; name=a", b"12345")]), 5).unwrap_err().contains("file name"));
        let endless = [b"----xyz\r\nA: ".to_vec(), vec![b'x'; 9000]].concat();
        assert!(file_of(&endless, 1000).unwrap_err().contains("8 KiB"));
        for kind in ["multipart/form-data", "text/plain; boundary=a", "multipart/form-data; boundary="] {
            assert!(Form::new(kind).is_none(), "{kind}");
        }
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let form = b"----xyz\r\nContent-Disposition: form-data; filename=x\r\n\r\n\r\n----xyz--";
        for chunk in 1..form.len() {
            assert_eq!(file_of(form, chunk).as_deref(), Ok(&[][..]), "chunks of {chunk}");
        }
    }
}
