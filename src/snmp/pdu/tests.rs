use super::*;

/// A message of type `what` in either order of bytes.
fn message(what: u8, network: bool, numbers: &[u32], payload: &[u8]) -> Vec<u8> {
    let number = |number: u32| if network { number.to_be_bytes() } else { number.to_le_bytes() };
    let flags = if network { NETWORK_BYTE_ORDER } else { 0 };
    let mut bytes = vec![1, what, flags, 0];
    let mut body: Vec<u8> = numbers.iter().flat_map(|one| number(*one)).collect();
    body.extend(payload);
    for one in [7, 8, 9, u32::try_from(body.len()).unwrap()] {
        bytes.extend(number(one));
    }
    bytes.extend(body);
    bytes
}

const HEAD: Header = Header { session: 7, transaction: 8, packet: 9 };

/// GetNext for 1.3.6.1.4.1.9586 (with the prefix of §5.1, itself included) up to 1.3.6.1.5, as RFC 2741 §5.2 has it.
fn get_next(network: bool) -> Vec<u8> {
    let number = |number: u32| if network { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut payload = vec![2, 4, 1, 0];
    payload.extend(number(1));
    payload.extend(number(9586));
    payload.extend([0, 5, 0, 0]);
    message(GET_NEXT, network, &[], &payload)
}

#[test]
fn requests_in_both_orders_of_bytes() {
    for network in [false, true] {
        let bytes = get_next(network);
        assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        let range = Range {
            start: Oid::new(&[1, 3, 6, 1, 4, 1, 9586]),
            include: true,
            end: Oid::new(&[1, 3, 6, 1, 5]),
        };
        assert_eq!(read(&bytes), Ok(Incoming { header: HEAD, request: Request::GetNext(vec![range]) }));
        let answer = message(RESPONSE, network, &[4711], &[1, 1, 0, 0]);
        assert_eq!(read(&answer), Ok(Incoming { header: HEAD, request: Request::Response { error: 257 } }));
    }
}

#[test]
fn another_context_is_read_over() {
    let mut bytes = message(GET, true, &[], &[0, 0, 0, 1, b'x', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    bytes[2] |= NON_DEFAULT_CONTEXT;
    let range = Range { start: Oid::new(&[1]), include: false, end: Oid::default() };
    assert_eq!(read(&bytes).unwrap().request, Request::Get(vec![range]));
}

#[test]
fn what_is_none_is_refused() {
    assert_eq!(length(&[1; 19]), Ok(None));
    assert_eq!(length(&[2; 20]), Err(Malformed::Version(2)));
    let mut long = get_next(true);
    long[16] = 1;
    assert_eq!(length(&long), Err(Malformed::TooLong(0x0100_0010)));
    // No start of a message is one, and none makes the reader panic.
    let whole = get_next(true);
    for cut in HEADER + 1..whole.len() {
        assert_eq!(read(&whole[..cut]), Err((HEAD, Malformed::Content(GET_NEXT))), "{cut}");
    }
    // Names have no more than 128 numbers.
    let mut payload = vec![129, 0, 0, 0];
    payload.extend([0; 4 * 129]);
    payload.extend([0; 4]);
    assert!(read(&message(GET, true, &[], &payload)).is_err());
}

/// Bytes counted out by hand from RFC 2741 §5.4, §6.2.16.
#[test]
fn an_answer_as_bytes() {
    let name = Oid::new(&[1, 3]);
    let bindings = vec![
        Binding { name: name.clone(), value: Bound::Value(Value::text("abcde")) },
        Binding { name: name.clone(), value: Bound::Value(Value::Counter64(1)) },
        Binding { name, value: Bound::EndOfMibView },
    ];
    let bytes = Outgoing::Response { error: 0, index: 0, bindings }.to_bytes(HEAD);
    let id = [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3];
    let mut expected = vec![1, 18, 0x10, 0, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 76];
    expected.extend([0; 8]);
    expected.extend([0, 4, 0, 0]);
    expected.extend(id);
    expected.extend([0, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0]);
    expected.extend([0, 70, 0, 0]);
    expected.extend(id);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    expected.extend([0, 130, 0, 0]);
    expected.extend(id);
    assert_eq!(bytes, expected);
}

#[test]
fn a_session_is_opened_and_a_subtree_registered() {
    let open = Outgoing::Open { timeout: 0, description: "x".into() }.to_bytes(Header::default());
    assert_eq!(open[..4], [1, 1, 0x10, 0]);
    assert_eq!(open[HEADER..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'x', 0, 0, 0]);
    let register = Outgoing::Register(Oid::new(&[9])).to_bytes(HEAD);
    assert_eq!(register[HEADER..], [0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(Outgoing::Close.to_bytes(HEAD)[HEADER..], [5, 0, 0, 0]);
}
